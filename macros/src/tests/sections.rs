//! The `# Cancellation` section of a documented function, as its reader sees it.

use proc_macro2::TokenStream;
use quote::quote;

use super::guarded;

/// The lines of documentation after the first, which is the user's.
fn section(args: TokenStream, item: TokenStream) -> Vec<String> {
    let expanded = guarded(
        args,
        quote! {
            /// Binds the port.
            #item
        },
    );
    let lines = expanded.lines();
    let docs = lines.filter_map(|line| line.trim().strip_prefix("///"));
    docs.skip(1).map(|line| line.trim().to_owned()).collect()
}

/// The paragraph under the heading.
fn summary(args: TokenStream, item: TokenStream) -> String {
    let section = section(args, item);
    let [empty, heading, other_empty, summary, ..] = section.as_slice() else {
        panic!("{section:#?}");
    };
    assert_eq!([empty, heading, other_empty], ["", "# Cancellation", ""]);
    summary.clone()
}

/// A start and its return type.
fn start(returns: TokenStream) -> TokenStream {
    quote!(async fn start(&self, shutdown: CancellationToken) -> #returns { bind().await })
}

const CANCELLED: &str = "[`StartError::Cancelled`](cancel_guarded::StartError::Cancelled)";
const WAITS: &str =
    "The start ends at the point where it waits, and what it has created is dropped.";

fn refused_start(refusal: &str, interruption: &str) -> String {
    format!(
        "This function returns when the service is up. If `shutdown` is cancelled before that, the \
         start is refused: {refusal}. {interruption}"
    )
}

#[test]
fn a_caller_reads_what_a_refused_start_returns() {
    let refusal = |args: TokenStream, returns: TokenStream| summary(args, start(returns));
    assert_eq!(
        refusal(quote!(), quote!(Result<u16, Error>)),
        refused_start(&format!("the error is {CANCELLED}"), WAITS)
    );
    assert_eq!(
        refusal(quote!(), quote!(Option<u16>)),
        refused_start("the function returns `None`", WAITS)
    );
    assert_eq!(
        refusal(quote!(), quote!(())),
        refused_start("the function returns early", WAITS)
    );
    assert_eq!(
        refusal(quote!(on_refused = |_| Ok(())), quote!(Result<(), Error>)),
        refused_start("the function returns `Ok` all the same", WAITS)
    );
    assert_eq!(
        refusal(
            quote!(on_refused = |e| Err(no(e))),
            quote!(Result<(), Error>)
        ),
        refused_start(
            &format!("the function returns an error, which stands for {CANCELLED}"),
            WAITS
        )
    );
    assert_eq!(
        refusal(quote!(on_refused = |_| None), quote!(Option<()>)),
        refused_start("the function returns `None`", WAITS)
    );
    assert_eq!(
        refusal(quote!(on_refused = refused), quote!(Answer)),
        refused_start(
            &format!("the function returns the value that stands for {CANCELLED}"),
            WAITS
        )
    );
}

#[test]
fn a_caller_reads_what_interrupts_a_start() {
    let early = |interruption: &str| refused_start("the function returns early", interruption);
    assert_eq!(
        summary(quote!(shielded), start(quote!(()))),
        early(
            "Nothing interrupts the start: a cancellation takes effect when it is about to succeed."
        )
    );
    let shields = quote! {
        async fn start(&self, shutdown: CancellationToken) {
            #[shielded]
            migrate().await;
            bind().await;
        }
    };
    assert_eq!(
        summary(quote!(), shields),
        early(
            "The start ends at the point where it waits, or after the step that must not be \
             interrupted, and what it has created is dropped."
        )
    );
    let sync = quote! {
        fn start(&self, shutdown: CancellationToken) {}
    };
    assert_eq!(
        summary(quote!(), sync),
        early(
            "Nothing interrupts the function: a cancellation takes effect when it is about to return."
        )
    );
}

#[test]
fn the_token_is_named_if_a_caller_can_see_it() {
    let nameless = quote! {
        async fn start(_: CancellationToken) {}
    };
    assert!(summary(quote!(), nameless).contains("If the token is cancelled"));
    let private = quote! {
        async fn start(&self) {}
    };
    let section = section(quote!(token = self.tokens, state = self.state), private).join("\n");
    assert!(
        section.contains("If the token of this service is cancelled"),
        "{section}"
    );
    assert!(!section.contains("self"), "{section}");
}

#[test]
fn a_run_returns_when_the_service_is_over() {
    let run = |args: TokenStream, body: TokenStream| {
        summary(
            args,
            quote!(async fn run(&self, shutdown: CancellationToken) { #body }),
        )
    };
    assert_eq!(
        run(quote!(run), quote!()),
        "This function returns when its work is over. If `shutdown` is already cancelled when it \
         is called, it does not begin: the function returns early. Nothing interrupts it once it \
         has begun: it ends by itself."
    );
    assert_eq!(
        run(quote!(run, state = self.state), quote!()),
        "This function runs the service, and returns when the service is over. If `shutdown` is \
         already cancelled when it is called, the service does not begin: the function returns \
         early. Otherwise the service is up at once, before the function has set anything up. \
         Nothing interrupts the function once it has begun: it ends by itself."
    );
    assert_eq!(
        run(
            quote!(run, state = self.state),
            quote!(self.state.store(Lifecycle::Running);)
        ),
        format!(
            "This function runs the service, and returns when the service is over. If `shutdown` \
             is cancelled before the service is up, the start is refused: the function returns \
             early. {WAITS} Once the service is up, nothing interrupts the function: it ends by \
             itself."
        )
    );
}

fn points(args: TokenStream, item: TokenStream) -> Vec<String> {
    section(args, item).into_iter().skip(5).collect()
}

fn role(name: &str) -> String {
    format!("[`{name}`](cancel_guarded::State::{name})")
}

fn refusals() -> String {
    "- In any other state the call changes nothing, and is refused \
     ([`StartError::NotStartable`](cancel_guarded::StartError::NotStartable)). So is the start of a \
     service that was told to stop \
     ([`StartError::StopRequested`](cancel_guarded::StartError::StopRequested))."
        .to_owned()
}

fn later() -> String {
    format!(
        "- If `shutdown` is cancelled while the service is up, the service is {} before the \
         cancelling call returns.",
        role("STOPPING")
    )
}

#[test]
fn the_states_are_told() {
    let [initial, starting, running, stopped, failed] =
        ["INITIAL", "STARTING", "RUNNING", "STOPPED", "FAILED"].map(role);
    let ends = format!(
        "If the start is refused, fails, panics or is dropped, the service ends in {failed}."
    );
    assert_eq!(
        points(quote!(state = self.state), start(quote!(()))),
        [
            format!("- The service goes from {initial} through {starting} to {running}. {ends}"),
            refusals(),
            later(),
        ]
    );
    let restart = points(quote!(state = self.state, restart), start(quote!(())));
    assert_eq!(
        restart.first(),
        Some(&format!(
            "- The service goes from {initial}, {stopped} or {failed} through {starting} to \
             {running}. {ends}"
        ))
    );
    let run = points(quote!(run, state = self.state), start(quote!(())));
    assert_eq!(
        run.first(),
        Some(&format!(
            "- The service goes from {initial} through {starting} to {running}. It ends in \
             {stopped} when this function returns, or in {failed} if it is refused, fails, panics \
             or is dropped."
        ))
    );
}

#[test]
fn the_child_is_told() {
    let item = quote! {
        async fn start(shutdown: CancellationToken) {
            serve(shutdown)
        }
    };
    assert_eq!(
        points(quote!(), item),
        [
            "- What this function starts gets a child of `shutdown`, which is cancelled when the \
          service ends."
        ]
    );
}

#[test]
fn links_follow_the_crate() {
    let linked = |krate: TokenStream| summary(quote!(crate = #krate), start(quote!(Result<(), E>)));
    let own = linked(quote!(crate::guard));
    assert!(
        own.contains("(crate::guard::StartError::Cancelled)"),
        "{own}"
    );
}

#[test]
fn a_function_that_has_the_section_or_no_docs_gets_none() {
    for attr in [
        quote!(),
        quote!(#[allow(unused)]),
        quote!(#[doc(hidden)]),
        quote!(#[must_use = "it says the port"]),
        quote!(#[doc = " Binds.\n\n # Cancellation\n\n Drops the port."]),
        quote!(#[doc = " # Cancellation"] #[doc = " Drops the port."]),
    ] {
        let expanded = guarded(
            quote!(),
            quote!(#attr async fn start(shutdown: CancellationToken) {}),
        );
        assert!(!expanded.contains("This function returns"), "{expanded}");
    }
}
