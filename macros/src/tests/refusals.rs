//! Functions and bodies that cannot be guarded: what is said, and what is left.

use proc_macro2::TokenStream;
use quote::quote;

use super::{errors, guarded};

/// The one error of an item begins with this.
#[track_caller]
pub(super) fn assert_refused(args: TokenStream, item: TokenStream, message: &str) {
    let errors = errors(args, item);
    assert!(
        errors.len() == 1 && errors.iter().all(|error| error.starts_with(message)),
        "{errors:#?}"
    );
}

#[test]
fn what_is_no_start() {
    let cases = [
        (
            quote!(
                struct S;
            ),
            "`#[cancel_guarded]` guards a start function",
        ),
        (
            quote!(impl S { async fn start(t: CancellationToken) {} }),
            "`#[cancel_guarded]` guards a start function",
        ),
        (
            quote!(
                fn start(t: CancellationToken) -> impl Future<Output = ()> {
                    run(t)
                }
            ),
            "`#[cancel_guarded]` cannot guard the future that this function returns",
        ),
        (
            quote!(
                fn start(t: CancellationToken) -> BoxFuture<'static, ()> {
                    async move { run(t) }.boxed()
                }
            ),
            "`#[cancel_guarded]` does not look into `.boxed()`; write `Box::pin(async move { .. })`",
        ),
        (
            quote!(
                fn start(t: CancellationToken) -> JoinHandle<u8> {
                    tokio::spawn(run(t))
                }
            ),
            "a `JoinHandle` cannot say that the start was refused; return a \
             `Result<JoinHandle<u8>, E>`, where `E: From<StartError>`",
        ),
        (
            quote!(
                fn new(t: CancellationToken) -> Self {
                    Self { t }
                }
            ),
            "a constructor has nothing to return when its start is refused; return a \
             `Result<Self, E>`; if it makes its cell, remove `#[cancel_guarded]`, write \
             `let attempt = cell.begin(&t)?;` after that, and put the rest of the body into \
             `attempt.start_sync(|t| { .. })`",
        ),
        (
            quote!(async fn start(t: ) {}),
            "`#[cancel_guarded]` cannot read this signature yet; complete it",
        ),
        (
            quote!(
                const fn start(t: CancellationToken) {}
            ),
            "a `const fn` cannot start a service",
        ),
        (
            quote!(
                async extern "C" fn start(t: CancellationToken) {}
            ),
            "a start with a foreign ABI",
        ),
        (
            quote!(
                async fn start(t: CancellationToken) -> ! {}
            ),
            "a start that never returns",
        ),
        (
            quote!(
                #[cancel_guarded]
                async fn start(t: CancellationToken) {}
            ),
            "`#[cancel_guarded]` is given twice",
        ),
        (
            quote!(
                #[shielded]
                async fn start(t: CancellationToken) {}
            ),
            "`#[shielded]` goes inside the body",
        ),
    ];
    for (item, message) in cases {
        assert_refused(quote!(), item, message);
    }
}

#[test]
fn a_declaration_has_nothing_to_guard() {
    let output = crate::driver::cancel_guarded(
        quote!(),
        quote!(
            async fn start(&self, t: CancellationToken);
        ),
    );
    assert!(
        output
            .to_string()
            .contains("this method has no body to guard")
    );
}

#[test]
fn the_token_must_be_clear() {
    assert_refused(
        quote!(),
        quote!(
            async fn start(n: u8) {}
        ),
        "no parameter is a `CancellationToken`",
    );
    assert_refused(
        quote!(),
        quote!(
            async fn start(a: CancellationToken, b: Option<&CancellationToken>) {}
        ),
        "`a` and `b` are both tokens; say which one guards this start: `token = a`",
    );
    for ty in [
        quote!(Arc<&CancellationToken>),
        quote!(&Arc<&CancellationToken>),
        quote!(Option<&Arc<&CancellationToken>>),
        quote!(Option<Option<&CancellationToken>>),
    ] {
        assert_refused(
            quote!(),
            quote!(async fn start(t: #ty) { t.x() }),
            "the body cannot be given a child of this token in the same form; write `token = &t`",
        );
        let unused = quote!(async fn start(t: #ty) {});
        assert_eq!(errors(quote!(), unused), [] as [&str; 0]);
    }
    // Nothing about a token needs a `&mut`, and it does no harm.
    for ty in [
        quote!(&mut CancellationToken),
        quote!(Rc<CancellationToken>),
        quote!(Box<Option<CancellationToken>>),
    ] {
        let item = quote!(async fn start(t: #ty) { t.x() });
        assert_eq!(errors(quote!(), item), [] as [&str; 0]);
    }
}

#[test]
fn a_named_parameter_is_the_token_whatever_its_type() {
    let child = |args: TokenStream, ty: TokenStream| {
        let expanded = guarded(
            args,
            quote!(async fn start(t: #ty, n: CancellationToken) { t.x() }),
        );
        expanded.contains("guard_by_child(&t)")
    };
    assert!(child(quote!(token = t), quote!(CancellationToken)));
    assert!(child(quote!(token = t), quote!(Shutdown)));
    assert!(child(quote!(token = (t)), quote!(&Shutdown)));
    // Any other expression leaves the parameter as it is.
    assert!(!child(quote!(token = &t), quote!(CancellationToken)));
    assert!(!child(quote!(token = t.clone()), quote!(CancellationToken)));
}

#[test]
fn a_caller_needs_a_child_and_a_name_of_its_own() {
    let start = |args: TokenStream| {
        errors(
            args,
            quote!(
                async fn start(t: CancellationToken) {
                    t.x();
                    all.cancel();
                }
            ),
        )
    };
    assert_eq!(start(quote!(caller = all)), [] as [&str; 0]);
    assert_eq!(
        start(quote!(caller = all, token = &t)),
        ["with this `token = ..` the body sees the caller's own token anyway; remove `caller`"]
    );
    assert_eq!(
        start(quote!(caller = t)),
        [
            "`t` is the token that the body sees; give the caller's own another name, as in \
          `caller = t_all`"
        ]
    );
    assert_eq!(
        start(quote!(caller = other)),
        ["the body does not use `other`; remove `caller = other`"]
    );
    assert_eq!(
        start(quote!(caller = self.all)),
        [
            "`caller` needs a new name for the caller's token; write it as in `caller = shutdown_all`"
        ]
    );
    assert_eq!(
        start(quote!(caller)),
        ["`caller` needs a value; write it as in `caller = shutdown_all`"]
    );
}

#[test]
fn self_needs_a_receiver() {
    assert_refused(
        quote!(state = self.state),
        quote!(
            async fn start(t: CancellationToken) {}
        ),
        "`start` has no `self`",
    );
    let advice = [
        (quote!(self.inner.state), "state = state"),
        (quote!(&self.cell), "state = cell"),
        (quote!(self.cells.clone()), "state = cells"),
        (quote!(cell_of(self)), "state = state"),
    ];
    for (value, advice) in advice {
        assert_refused(
            quote!(state = #value),
            quote!(
                async fn start(t: CancellationToken) {}
            ),
            &format!(
                "`start` has no `self`; give it a parameter for this, and write its name: `{advice}`"
            ),
        );
    }
}

#[test]
fn a_refusal_is_a_function() {
    for literal in [quote!(5), quote!(false), quote!(0.5), quote!('n')] {
        assert_refused(
            quote!(on_refused = #literal),
            quote!(
                async fn start(t: CancellationToken) -> bool {}
            ),
            &format!(
                "`on_refused` makes what a refused call returns, and `{literal}` does not tell \
                 success from failure"
            ),
        );
    }
    for value in [
        quote!(()),
        quote!(Answer { ok: false }),
        quote!(None),
        quote!(Err(e)),
        quote!(Some(1)),
    ] {
        assert_refused(
            quote!(on_refused = #value),
            quote!(
                async fn start(t: CancellationToken) {}
            ),
            "`on_refused` is a function of the `StartError`",
        );
    }
    for function in [quote!(Err), quote!(refused), quote!(|e| e), quote!(make())] {
        let item = quote!(
            async fn start(t: CancellationToken) {}
        );
        assert_eq!(
            errors(quote!(on_refused = #function), item),
            [] as [&str; 0]
        );
    }
}

#[test]
fn nothing_returned_borrows_from_the_child() {
    let borrows = "this may borrow from `t`";
    assert_refused(
        quote!(),
        quote!(
            async fn start(t: &CancellationToken) -> &str {
                t.x()
            }
        ),
        borrows,
    );
    assert_refused(
        quote!(),
        quote!(
            async fn start<'a>(&self, t: &'a CancellationToken) -> Option<&'a str> {
                t.x()
            }
        ),
        borrows,
    );
    let fine = [
        quote!(
            async fn start(t: &CancellationToken) -> Box<dyn Fn(&str) -> &str> {
                t.x()
            }
        ),
        quote!(
            async fn start(&self, t: &CancellationToken) -> &str {
                t.x()
            }
        ),
        quote!(
            async fn start(t: &CancellationToken) -> &'static str {
                t.x()
            }
        ),
        quote!(
            async fn start(t: &CancellationToken) -> &str {
                ""
            }
        ),
        quote!(
            async fn start(t: &'static CancellationToken) -> &'static str {
                t.x()
            }
        ),
        quote!(
            async fn start(&self, t: &'_ CancellationToken) -> Name<'_> {
                t.x()
            }
        ),
    ];
    for item in fine {
        assert_eq!(errors(quote!(), item), [] as [&str; 0]);
    }
}

#[test]
fn statements_at_the_call_do_not_return_past_the_guard() {
    assert_refused(
        quote!(),
        quote! {
            fn start(t: CancellationToken) -> Pin<Box<dyn Future<Output = ()>>> {
                if t.x() { return Box::pin(async { return; }); }
                let f = || { return 1; };
                Box::pin(async move { return; })
            }
        },
        "this returns past the guard",
    );
}

#[test]
fn independent_mistakes_are_told_together() {
    let errors = errors(
        quote!(stat = x),
        quote!(
            async fn start(a: CancellationToken, b: CancellationToken) {
                #[shielded]
                f();
            }
        ),
    );
    assert_eq!(errors.len(), 3, "{errors:#?}");
}

#[test]
fn after_an_error_the_function_is_still_there() {
    let left = guarded(
        quote!(state = state, oops),
        quote! {
            /// Starts.
            pub async fn start(state: StateCell, t: CancellationToken) -> u8 {
                #[shielded]
                f().await;
                spawn(async { state.store(Phase::Up) });
                1
            }
        },
    );
    let (_, left) = left.split_once("#[allow(unused)]").expect("the function");
    super::assert_lines(
        left,
        "
        /// Starts.
        pub async fn start(state: StateCell, t: CancellationToken) -> u8 {
            f().await;
            spawn(async { ::core::mem::drop((&state, Phase::Up)) });
            1
        }
        ",
    );
}

/// What is left of a body after an error in the arguments.
#[track_caller]
fn assert_left(args: TokenStream, body: TokenStream, expected: &str) {
    let left = guarded(args, quote!(async fn start(t: CancellationToken) { #body }));
    let (_, left) = left
        .split_once("async fn start(t: CancellationToken) {")
        .expect("the function");
    super::assert_lines(left, expected);
}

#[test]
fn after_an_error_only_the_stores_are_gone() {
    assert_left(
        quote!(state = state, oops),
        quote!(state.store(X); state.store(X, SeqCst); state.load(); state.load(X); other.store(X);),
        "
            ::core::mem::drop((&state, X));
            ::core::mem::drop((&state, X, SeqCst));
            state.load();
            state.load(X);
            other.store(X);
        }
        ",
    );
    // Which cell is meant cannot be told: what looks like a store is none of rustc's business.
    assert_left(
        quote!(state =),
        quote!(a.store(X); a.store(X, SeqCst); a.load(X); a.store();),
        "
            ::core::mem::drop((&a, X));
            a.store(X, SeqCst);
            a.load(X);
            a.store();
        }
        ",
    );
    assert_left(
        quote!(oops),
        quote!(a.store(X);),
        "
            a.store(X);
        }
        ",
    );
}
