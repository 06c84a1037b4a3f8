//! The `# Cancellation` section that is added to the docs of a guarded function.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens as _, quote_spanned};
use syn::{Attribute, Expr, ExprLit, Lit, Meta, ReturnType, Type};

use crate::function::Form;
use crate::model::{Guard, Mode, Publication, TokenSource};
use crate::syntax::{is_doc, path_ends_in, to_source};

// Input:
//     /// Binds the port and begins to accept.
//     #[cancel_guarded(state = self.state)]
//     pub async fn start(&self, shutdown: CancellationToken) -> Result<SocketAddr, ServerError>
//
// Output:
//     /// Binds the port and begins to accept.
//     ///
//     /// # Cancellation
//     ///
//     /// This function returns when the service is up. If `shutdown` is cancelled before that, ..
//     ///
//     /// - ..
//
/// The section, as attributes that follow those of the function. A function without docs gets none,
/// and neither does one whose docs have such a section.
pub(crate) fn section(guard: &Guard) -> TokenStream {
    let attrs = &guard.function.attrs;
    if !attrs.iter().any(is_doc) || attrs.iter().any(has_section) {
        return TokenStream::new();
    }
    let mut lines = vec![
        String::new(),
        " # Cancellation".to_owned(),
        String::new(),
        format!(" {}", summary(guard)),
    ];
    let points = points(guard);
    if !points.is_empty() {
        lines.push(String::new());
    }
    for point in points {
        lines.push(format!(" - {point}"));
    }
    quote_spanned!(Span::mixed_site()=> #(#[doc = #lines])*)
}

/// Whether a line of documentation, or a block of it, has a heading `Cancellation`.
fn has_section(attr: &Attribute) -> bool {
    let Meta::NameValue(meta) = &attr.meta else {
        return false;
    };
    let Expr::Lit(ExprLit {
        lit: Lit::Str(text),
        ..
    }) = &meta.value
    else {
        return false;
    };
    text.value().lines().any(|line| {
        let line = line.trim();
        line.starts_with('#') && line.trim_start_matches('#').trim() == "Cancellation"
    })
}

/// A name of the runtime's, as a link where its path can be written in docs.
fn link(guard: &Guard, name: &str, path: &str) -> String {
    let krate = match &guard.args.krate {
        Some(krate) => to_source(krate),
        None => "cancel_guarded".to_owned(),
    };
    if krate.contains('$') {
        return format!("`{name}`");
    }
    format!("[`{name}`]({krate}::{path})")
}

fn role(guard: &Guard, role: &str) -> String {
    link(guard, role, &format!("State::{role}"))
}

fn start_error(guard: &Guard, variant: &str) -> String {
    let name = format!("StartError::{variant}");
    link(guard, &name, &name)
}

/// The token as a caller knows it.
fn token(guard: &Guard) -> String {
    match &guard.token {
        TokenSource::Param { param, .. } if param.has_name => format!("`{}`", param.ident),
        TokenSource::Param { .. } => "the token".to_owned(),
        TokenSource::Expr(_) => "the token of this service".to_owned(),
    }
}

/// Tells when the function returns, and what a cancellation does.
fn summary(guard: &Guard) -> String {
    let token = token(guard);
    let refused = refused(guard);
    match guard.mode {
        Mode::Start => format!(
            "This function returns when the service is up. If {token} is cancelled before that, the \
             start is refused: {refused}. {}",
            interruption(guard)
        ),
        Mode::Run(Publication::None) => format!(
            "This function returns when its work is over. If {token} is already cancelled when it \
             is called, it does not begin: {refused}. Nothing interrupts it once it has begun: it \
             ends by itself."
        ),
        Mode::Run(Publication::Entry) => format!(
            "This function runs the service, and returns when the service is over. If {token} is \
             already cancelled when it is called, the service does not begin: {refused}. Otherwise \
             the service is up at once, before the function has set anything up. Nothing \
             interrupts the function once it has begun: it ends by itself."
        ),
        Mode::Run(Publication::Body | Publication::ByStores) => format!(
            "This function runs the service, and returns when the service is over. If {token} is \
             cancelled before the service is up, the start is refused: {refused}. {} Once the \
             service is up, nothing interrupts the function: it ends by itself.",
            interruption(guard)
        ),
    }
}

/// Tells what interrupts a start.
fn interruption(guard: &Guard) -> &'static str {
    if matches!(guard.function.form, Form::Sync) {
        "Nothing interrupts the function: a cancellation takes effect when it is about to return."
    } else if guard.args.shielded.is_some() {
        "Nothing interrupts the start: a cancellation takes effect when it is about to succeed."
    } else if guard.body.has_shields {
        "The start ends at the point where it waits, or after the step that must not be \
         interrupted, and what it has created is dropped."
    } else {
        "The start ends at the point where it waits, and what it has created is dropped."
    }
}

/// Tells what a refused call returns.
fn refused(guard: &Guard) -> String {
    let cancelled = start_error(guard, "Cancelled");
    let Some(on_refused) = &guard.args.on_refused else {
        return match returned(guard) {
            Returned::Nothing => "the function returns early".to_owned(),
            Returned::Option => "the function returns `None`".to_owned(),
            Returned::Other => format!("the error is {cancelled}"),
        };
    };
    match made(on_refused).as_deref() {
        Some("Ok") => "the function returns `Ok` all the same".to_owned(),
        Some("None") => "the function returns `None`".to_owned(),
        Some("Err") => format!("the function returns an error, which stands for {cancelled}"),
        _ => format!("the function returns the value that stands for {cancelled}"),
    }
}

/// The forms of return type that say without an error that a start was refused.
enum Returned {
    Nothing,
    Option,
    Other,
}

fn returned(guard: &Guard) -> Returned {
    match guard.function.output() {
        Type::Tuple(tuple) if tuple.elems.is_empty() => Returned::Nothing,
        Type::Path(ty) if path_ends_in(&ty.path, "Option") => Returned::Option,
        Type::Infer(_) if matches!(guard.function.sig.output, ReturnType::Default) => {
            Returned::Nothing
        }
        _ => Returned::Other,
    }
}

/// The constructor that a closure `|_| Ok(..)` ends in.
fn made(on_refused: &Expr) -> Option<String> {
    let Expr::Closure(closure) = on_refused else {
        return None;
    };
    let called = match &*closure.body {
        Expr::Call(call) => &*call.func,
        body => body,
    };
    match called {
        Expr::Path(path) => Some(path.to_token_stream().to_string()),
        _ => None,
    }
}

/// Tells what happens to the state, and to the token that the service gets.
fn points(guard: &Guard) -> Vec<String> {
    let mut points = Vec::new();
    if guard.args.state.is_some() {
        let [starting, running, failed] =
            ["STARTING", "RUNNING", "FAILED"].map(|name| role(guard, name));
        let from = if guard.args.restart.is_some() {
            let [initial, stopped] = ["INITIAL", "STOPPED"].map(|name| role(guard, name));
            format!("{initial}, {stopped} or {failed}")
        } else {
            role(guard, "INITIAL")
        };
        points.push(match guard.mode {
            Mode::Start => format!(
                "The service goes from {from} through {starting} to {running}. If the start is \
                 refused, fails, panics or is dropped, the service ends in {failed}."
            ),
            Mode::Run(_) => {
                let stopped = role(guard, "STOPPED");
                format!(
                    "The service goes from {from} through {starting} to {running}. It ends in \
                     {stopped} when this function returns, or in {failed} if it is refused, fails, \
                     panics or is dropped."
                )
            }
        });
        points.push(format!(
            "In any other state the call changes nothing, and is refused ({}). So is the start of a \
             service that was told to stop ({}).",
            start_error(guard, "NotStartable"),
            start_error(guard, "StopRequested")
        ));
        points.push(format!(
            "If {} is cancelled while the service is up, the service is {} before the cancelling \
             call returns.",
            token(guard),
            role(guard, "STOPPING")
        ));
    }
    if let Some(param) = guard.token.child_param() {
        points.push(format!(
            "What this function starts gets a child of `{}`, which is cancelled when the service \
             ends.",
            param.ident
        ));
    }
    points
}
