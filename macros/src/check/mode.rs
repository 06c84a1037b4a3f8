//! Start or run: whether a body looks like one that returns when the service is over.

use std::fmt;

use proc_macro2::{Delimiter, Group, Ident, TokenStream, TokenTree};
use quote::{ToTokens, quote};
use syn::{
    Expr, GenericArgument, PathArguments, ReturnType, Signature, Stmt, Type, TypeParamBound,
};

use super::flow::tail::last_effect;
use super::flow::value::AwaitedCall;
use super::flow::{Flow, OwnWait, Task, names};
use super::waits::may_wait;
use crate::syntax::to_source;

/// Why a function looks like a run, and where.
#[derive(Clone, Debug)]
pub(crate) struct Evidence {
    pub(crate) kind: Kind,
    /// The tokens that show it.
    pub(crate) at: TokenStream,
    /// If it is a wait: which.
    wait: Option<OwnWait>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// It waits for the token.
    Wait,
    /// It asks `is_cancelled()` in a loop.
    Ask,
    /// It has a loop that only an error leaves.
    EndlessLoop,
    /// The last call that it awaits gets the token, or is named as a run.
    LastCall,
    /// A call that it awaits in a loop gets the token.
    CallInLoop,
    /// It joins the tasks that it spawned with the token.
    Join,
    /// Its own name is that of a run.
    Name,
}

impl Evidence {
    fn new(kind: Kind, at: &TokenStream) -> Self {
        Self {
            kind,
            at: without_attributes(at.clone()),
            wait: None,
        }
    }

    fn of_call(call: &AwaitedCall) -> Self {
        let kind = if call.in_loop {
            Kind::CallInLoop
        } else {
            Kind::LastCall
        };
        Self::new(kind, &call.at)
    }

    /// What the function does, as the message says it: ``it waits for `token` ``.
    pub(crate) fn phrase(&self, token: &dyn fmt::Display) -> String {
        match self.kind {
            Kind::Wait => format!("it waits for `{token}`"),
            Kind::Ask => format!("it asks `{token}.is_cancelled()` in a loop"),
            Kind::EndlessLoop => "it never leaves its loop".to_owned(),
            Kind::LastCall => format!("it ends in `{}`", call(&self.at)),
            Kind::CallInLoop => {
                let call = call(&self.at);
                let call = call.strip_suffix(".await").unwrap_or(&call);
                format!("it awaits `{call}` in a loop")
            }
            Kind::Join => "it joins its tasks".to_owned(),
            Kind::Name => "its name says so".to_owned(),
        }
    }
}

/// An expression without the attributes in front of it, such as `#[allow(..)]`.
fn without_attributes(tokens: TokenStream) -> TokenStream {
    let mut trees = tokens.into_iter().peekable();
    while let Some(TokenTree::Punct(hash)) = trees.peek() {
        if hash.as_char() != '#' {
            break;
        }
        trees.nth(1);
    }
    trees.collect()
}

/// A call as the message quotes it, without long arguments.
fn call(at: &TokenStream) -> String {
    let at = as_written(at.clone());
    let full = to_source(&at);
    if full.len() <= QUOTED_LENGTH && !full.contains('\n') {
        full
    } else {
        to_source(&without_arguments(at))
    }
}

/// Writes `self` for the `__self` of `async_trait`.
fn as_written(tokens: TokenStream) -> TokenStream {
    let written = tokens.into_iter().map(|tree| match tree {
        TokenTree::Ident(ident) if ident == "__self" => {
            TokenTree::Ident(Ident::new("self", ident.span()))
        }
        TokenTree::Group(group) => {
            TokenTree::Group(Group::new(group.delimiter(), as_written(group.stream())))
        }
        tree => tree,
    });
    written.collect()
}

/// Calls up to this length are quoted in full.
const QUOTED_LENGTH: usize = 60;

fn without_arguments(tokens: TokenStream) -> TokenStream {
    let elided = tokens.into_iter().map(|tree| match tree {
        TokenTree::Group(group) if !group.stream().is_empty() => {
            let inside = if group.delimiter() == Delimiter::None {
                without_arguments(group.stream())
            } else {
                quote!(..)
            };
            TokenTree::Group(Group::new(group.delimiter(), inside))
        }
        tree => tree,
    });
    elided.collect()
}

/// The advice to store the state: a run without a store is published when it begins, and what it
/// awaits before `at` may still fail.
pub(crate) fn store_hint(stmts: &[Stmt], state: Option<&Expr>, at: &TokenStream) -> String {
    match state {
        Some(state) if awaits_before(stmts, at) => format!(
            ", and `{}.store(..)` with the state that is RUNNING on the line where the service is \
             up (without it, a run is published when it begins)",
            to_source(state)
        ),
        _ => String::new(),
    }
}

/// Whether a body awaits something before the statement of these tokens, or before its last one.
fn awaits_before(stmts: &[Stmt], at: &TokenStream) -> bool {
    let words = words(at.clone());
    if words
        .iter()
        .any(|word| word.starts_with("run_until_cancelled"))
    {
        // The wait itself runs something.
        return true;
    }
    let is_there = |stmt: &Stmt| {
        let text = self::words(stmt.to_token_stream());
        !words.is_empty() && text.windows(words.len()).any(|part| part == words)
    };
    let position = stmts.iter().rposition(is_there);
    let position = position.or_else(|| last_effect(stmts)).unwrap_or_default();
    let mut before = stmts.iter().take(position);
    before.any(|stmt| may_wait(&mut stmt.clone()))
}

/// All tokens, without their groups.
fn words(tokens: TokenStream) -> Vec<String> {
    let words = tokens.into_iter().flat_map(|tree| match tree {
        TokenTree::Group(group) => words(group.stream()),
        tree => vec![tree.to_string()],
    });
    words.collect()
}

/// The question whether a function is a start or a run, when neither word is written. `returns_ok`
/// says that its body ends in `Ok(..)`.
pub(crate) fn question(
    sig: &Signature,
    flow: &Flow,
    evidence: &Evidence,
    token: &dyn fmt::Display,
    store: &str,
    returns_ok: bool,
) -> String {
    let serves = |task: &Task| task.is_served && !task.in_loop;
    let spawns_service = flow.tasks.iter().any(serves);
    let function = &sig.ident;
    if let Some(wait) = &evidence.wait {
        let mut tasks_after = flow.tasks.iter().skip(wait.tasks_before);
        let is_set_up = wait.in_arm && !wait.in_loop && !names::is_run(&function.to_string());
        let found = &flow.found;
        let is_alone = found.join.is_none() && found.ask.is_none() && found.endless_loop.is_none();
        if is_set_up && is_alone && returns_ok && tasks_after.any(serves) {
            return format!(
                "does `{function}` return when the service is up, or when it is over? It waits for \
                 `{token}`, and serves a task after that. If it returns when the service is up, \
                 write `#[cancel_guarded(start, ..)]`, and delete this wait: the guard waits for \
                 `{token}` already. Or `run, ..`{store}: it may wait for its token, and nothing \
                 interrupts it once it is published"
            );
        }
    }
    let is_named_as_start = names::is_setup(&sig.ident.to_string());
    let start = match (evidence.kind, &evidence.wait) {
        (Kind::Wait, Some(wait)) if wait.in_call && !spawns_service => {
            "it is interrupted at its awaits, so move the call that waits into the task that serves"
                .to_owned()
        }
        (Kind::Wait, Some(wait)) if spawns_service || is_named_as_start => {
            let delete = format!("the guard waits for `{token}` already, so delete this wait");
            if wait.in_loop && !spawns_service {
                format!(
                    "{delete}, and move {} into the task that serves",
                    rest(wait)
                )
            } else {
                delete
            }
        }
        (Kind::Wait, Some(wait)) => format!(
            "it is interrupted at its awaits, so remove the wait, and move {} into the task that \
             serves",
            rest(wait)
        ),
        (Kind::Ask, _) if spawns_service => {
            format!("the guard asks `{token}` already, so delete this check")
        }
        (Kind::Ask, _) => "it is interrupted at its awaits, so remove this check, and move what \
                           follows its loop into the task that serves"
            .to_owned(),
        (Kind::Join, _) if !flow.part_waits.is_empty() => {
            "what is served runs only once this function has returned, so remove this wait"
                .to_owned()
        }
        _ => "it is interrupted at its awaits".to_owned(),
    };
    format!(
        "does `{}` return when the service is up, or when it is over? Here it looks like over: \
         {}. Write `#[cancel_guarded(run, ..)]`{store}: it may wait for its token, and nothing \
         interrupts it once it is published. Or `start, ..`: {start}",
        function,
        evidence.phrase(token),
    )
}

/// The error for a start that waits for its own cancellation.
pub(crate) fn wait_in_start(wait: &OwnWait, token: &dyn fmt::Display, store: &str) -> String {
    format!(
        "a start is interrupted when `{token}` is cancelled, and this waits for the same. If the \
         function returns when the service is over, write `#[cancel_guarded(run, ..)]`{store}. If \
         it returns when the service is up, remove this wait; {} never runs in a cancelled start, \
         so move it into the task that serves",
        rest(wait)
    )
}

/// The code that a start does not reach once its token is cancelled.
fn rest(wait: &OwnWait) -> &'static str {
    match (wait.in_arm, wait.in_loop) {
        (true, true) => "what its arm does and what follows its loop",
        (true, false) => "what its arm does",
        (false, true) => "what follows its loop",
        (false, false) => "what is to run after a cancellation",
    }
}

/// The strongest evidence that a function is a run; `None` if it looks like a start.
///
/// A wait outside of loops is no evidence in a function that returns a value: there it is a
/// mistake, and `own_waits` tells where it is.
pub(crate) fn run_evidence(sig: &Signature, flow: &Flow) -> Option<Evidence> {
    if never_returns(sig) {
        // It cannot return a refusal either, which is an error of its own.
        return None;
    }
    let found = &flow.found;
    let returns_nothing = returns_nothing(sig);
    // The one that the text shows first.
    let mut waits = flow.waits.iter();
    let wait = waits.find(|wait| returns_nothing || wait.in_loop).cloned();
    let wait = wait.or_else(|| {
        // It is awaited in front of the loop, too.
        let at = found.wait_in_loop.as_ref()?.at.clone();
        Some(OwnWait {
            at,
            in_loop: true,
            in_arm: false,
            in_call: false,
            tasks_before: flow.tasks.len(),
        })
    });
    if let Some(wait) = wait {
        return Some(Evidence {
            wait: Some(wait.clone()),
            ..Evidence::new(Kind::Wait, &wait.at)
        });
    }
    if let Some(ask) = &found.ask {
        return Some(Evidence::new(Kind::Ask, ask));
    }
    let endless = found.endless_loop.as_ref();
    let endless = endless.map(|at| Evidence::new(Kind::EndlessLoop, at));
    if !returns_nothing {
        return endless;
    }
    let is_named_as_run = names::is_run(&sig.ident.to_string());
    let setup_call = found.setup_call.as_ref().filter(|_| is_named_as_run);
    if let Some(call) = found.call.as_ref().or(setup_call) {
        return Some(Evidence::of_call(call));
    }
    if let Some(join) = &found.join {
        return Some(Evidence::new(Kind::Join, join));
    }
    if endless.is_some() {
        return endless;
    }
    if is_named_as_run {
        let name = sig.ident.to_token_stream();
        return Some(Evidence::new(Kind::Name, &name));
    }
    found
        .run_call
        .as_ref()
        .map(|call| Evidence::new(Kind::LastCall, &call.at))
}

/// The waits that make a function wait for its own cancellation, of which a start can have none.
pub(crate) fn own_waits(flow: &Flow) -> &[OwnWait] {
    &flow.waits
}

fn never_returns(sig: &Signature) -> bool {
    matches!(&sig.output, ReturnType::Type(_, ty) if matches!(**ty, Type::Never(_)))
}

/// Whether a function returns `()`, a `Result` of it or of `Infallible`, a bare `Result` alias, or
/// a future of one of these.
fn returns_nothing(sig: &Signature) -> bool {
    match &sig.output {
        ReturnType::Default => true,
        ReturnType::Type(_, ty) => {
            let output = match sig.asyncness {
                Some(_) => None,
                None => future_output(ty),
            };
            is_nothing(output.unwrap_or(ty))
        }
    }
}

fn is_nothing(ty: &Type) -> bool {
    match ty {
        Type::Group(ty) => is_nothing(&ty.elem),
        Type::Paren(ty) => is_nothing(&ty.elem),
        Type::Tuple(ty) => ty.elems.is_empty(),
        Type::Path(ty) => {
            let Some(last) = ty.path.segments.last() else {
                return false;
            };
            let name = last.ident.to_string();
            if name == "Infallible" {
                return true;
            }
            if !name.ends_with("Result") {
                return false;
            }
            match &last.arguments {
                PathArguments::None => true,
                PathArguments::AngleBracketed(arguments) => {
                    matches!(arguments.args.first(), Some(GenericArgument::Type(ty)) if is_nothing(ty))
                }
                PathArguments::Parenthesized(_) => false,
            }
        }
        _ => false,
    }
}

/// The `T` of `Pin<Box<dyn Future<Output = T>>>`, of `impl Future<Output = T>` or of
/// `BoxFuture<'_, T>`.
fn future_output(ty: &Type) -> Option<&Type> {
    match ty {
        Type::Group(ty) => future_output(&ty.elem),
        Type::Paren(ty) => future_output(&ty.elem),
        Type::ImplTrait(ty) => ty.bounds.iter().find_map(output_of_bound),
        Type::TraitObject(ty) => ty.bounds.iter().find_map(output_of_bound),
        Type::Path(ty) => {
            let last = ty.path.segments.last()?;
            let PathArguments::AngleBracketed(arguments) = &last.arguments else {
                return None;
            };
            let mut types = arguments.args.iter().filter_map(|argument| match argument {
                GenericArgument::Type(ty) => Some(ty),
                _ => None,
            });
            match last.ident.to_string().as_str() {
                "Pin" | "Box" => future_output(types.next()?),
                "BoxFuture" | "LocalBoxFuture" => types.next(),
                _ => None,
            }
        }
        _ => None,
    }
}

fn output_of_bound(bound: &TypeParamBound) -> Option<&Type> {
    let TypeParamBound::Trait(bound) = bound else {
        return None;
    };
    let PathArguments::AngleBracketed(arguments) = &bound.path.segments.last()?.arguments else {
        return None;
    };
    arguments.args.iter().find_map(|argument| match argument {
        GenericArgument::AssocType(output) if output.ident == "Output" => Some(&output.ty),
        _ => None,
    })
}
