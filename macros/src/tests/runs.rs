//! Start or run, and who publishes.

use quote::quote;

use super::guarded;

#[test]
fn a_run_says_who_publishes_it() {
    let options = |args: proc_macro2::TokenStream, body: proc_macro2::TokenStream| {
        let expanded = guarded(
            args,
            quote!(async fn run(&self, shutdown: CancellationToken) { #body }),
        );
        let options = expanded.lines().find(|line| line.contains("__options = "));
        options.expect("the options").trim().to_owned()
    };
    let published =
        |options: &str| format!("let __options = __start.guard_by(&shutdown){options};");
    let start = options(quote!(start, state = self.state), quote!(bind().await;));
    assert_eq!(start, published(""));
    for body in [
        quote!(self.state.store(Lifecycle::Running);),
        quote!(self.state.store(Phase::Up); self.state.store(Phase::RUNNING);),
        quote!(self.state.store(up);),
        quote!(self.state.store(next());),
        quote!(use crate::Phase; self.state.store(Phase::Up);),
        quote!(let up = self.state.publisher(); up.publish();),
    ] {
        assert_eq!(
            options(quote!(run, state = self.state), body),
            published(".run()")
        );
    }
    let body = quote!(self.state.store(Phase::Open); self.state.store(Phase::Up););
    assert_eq!(
        options(quote!(run, state = self.state), body),
        published(".run_by_stores(&[Phase::Open, Phase::Up])"),
        "the runtime knows which of them is RUNNING"
    );
    for body in [
        quote!(bind().await;),
        quote!(self.state.store(Lifecycle::Stopping);),
        quote!(self.other.store(Lifecycle::Running);),
    ] {
        assert_eq!(
            options(quote!(run, state = self.state), body),
            published(".run_published()")
        );
    }
    assert_eq!(
        options(quote!(run), quote!(bind().await;)),
        published(".run_stateless()")
    );
}

#[test]
fn what_looks_like_a_run_and_publishes_itself_is_one() {
    let is_run = |body: proc_macro2::TokenStream| {
        let expanded = guarded(
            quote!(state = self.state),
            quote!(async fn start(&self, t: CancellationToken) { #body }),
        );
        expanded.contains(".run()")
    };
    assert!(is_run(
        quote!(self.state.store(Lifecycle::Running); t.cancelled().await;)
    ));
    assert!(is_run(
        quote!(let up = self.state.publisher(); monitor(t, up).await;)
    ));
    // A step of its own does not make a run of a start.
    assert!(!is_run(
        quote!(self.state.store(Phase::Loading); load().await;)
    ));
}
