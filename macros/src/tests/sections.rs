//! The `# Cancellation` section of a documented start, as its reader sees it.

use proc_macro2::TokenStream;
use quote::quote;

use super::guarded;

/// The lines of documentation behind the first, which is the user's.
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

const REFUSED: &str = "If that is cancelled before this has succeeded, the start is refused \
    (`StartError::Cancelled`).";
const DROPPED: &str =
    "It goes no further than the point where it waits, and all that it has made is dropped.";
const LATER: &str = "- If it is cancelled later, the service reads `STOPPING` before the \
    cancelling call has returned.";
const CHILD: &str = "- What it starts sees a child of `shutdown`, which is cancelled if the start \
    does not succeed, or the service fails.";

fn moves(from: &str) -> String {
    format!(
        "- `self.state` moves from {from} through `STARTING` to `RUNNING`, or to `FAILED` if the \
         start is refused, fails, panics or is dropped. In any other state the start is refused \
         (`StartError::NotStartable`), and nothing is touched."
    )
}

#[test]
fn a_start_without_a_state() {
    let guarded_by = |token| format!("Guarded by `{token}`. {REFUSED} {DROPPED}");
    let unused = quote!(
        async fn start(shutdown: CancellationToken) {}
    );
    assert_eq!(
        section(quote!(), unused),
        ["", "# Cancellation", "", &guarded_by("shutdown")]
    );
    let used = quote!(
        async fn start(shutdown: CancellationToken) {
            serve(shutdown)
        }
    );
    assert_eq!(
        section(quote!(), used),
        ["", "# Cancellation", "", &guarded_by("shutdown"), "", CHILD]
    );
    let given = quote!(
        async fn start(&self) {}
    );
    assert_eq!(
        section(quote!(token = self.tokens[0].of(a, b)), given),
        [
            "",
            "# Cancellation",
            "",
            &guarded_by("self.tokens[0].of(a, b)")
        ]
    );
    let nameless = quote!(
        async fn start(_: CancellationToken) {}
    );
    assert_eq!(
        section(quote!(), nameless).last(),
        Some(&format!("Guarded by its token. {REFUSED} {DROPPED}"))
    );
}

#[test]
fn a_start_with_a_state() {
    let guarded_by = format!(
        "Guarded by `shutdown`. {REFUSED} It goes no further than the point where it waits, \
         except for what is shielded in it and runs to its end, and all that it has made is \
         dropped."
    );
    let item = quote! {
        async fn start(&self, shutdown: CancellationToken) {
            self.state.store(Phase::Loading);
            #[shielded]
            migrate().await;
            self.state.store(next(self, 1));
            serve(shutdown);
        }
    };
    assert_eq!(
        section(quote!(state = self.state), item),
        [
            "",
            "# Cancellation",
            "",
            &guarded_by,
            "",
            &moves("`INITIAL`"),
            "- On its way it stores `Phase::Loading`, `next(self, 1)`.",
            LATER,
            CHILD,
        ]
    );
    let item = quote!(
        async fn start(&self, shutdown: CancellationToken) {}
    );
    assert_eq!(
        section(quote!(state = self.state, restart), item),
        [
            "",
            "# Cancellation",
            "",
            &format!("Guarded by `shutdown`. {REFUSED} {DROPPED}"),
            "",
            &moves("`INITIAL`, `STOPPED` or `FAILED`"),
            LATER,
        ]
    );
}

#[test]
fn a_shielded_start() {
    const ITSELF: &str = "Once begun, it is not interrupted: it handles cancellation itself.";
    let item = quote!(
        async fn run(&self, shutdown: CancellationToken) {
            self.state.store(Phase::Up);
        }
    );
    assert_eq!(
        section(quote!(state = self.state, shielded), item.clone()).get(3),
        Some(&format!("Guarded by `shutdown`. {REFUSED} {ITSELF}"))
    );
    // Without a state it is refused at its entry only.
    let refused = REFUSED.replace("before this has succeeded", "when this begins");
    assert_eq!(
        section(quote!(shielded), item).get(3),
        Some(&format!("Guarded by `shutdown`. {refused} {ITSELF}"))
    );
}

#[test]
fn a_start_that_is_not_documented_stays_so() {
    for attr in [
        quote!(),
        quote!(#[allow(unused)]),
        quote!(#[doc(hidden)]),
        quote!(#[must_use = "it says the port"]),
    ] {
        let expanded = guarded(
            quote!(),
            quote!(#attr async fn start(shutdown: CancellationToken) {}),
        );
        assert!(!expanded.contains("Cancellation\n"), "{expanded}");
        assert!(!expanded.contains("///"), "{expanded}");
    }
}
