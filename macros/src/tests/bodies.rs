//! The rewriting of the body.

use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};
use quote::quote;

use super::guarded_body;

/// What a body becomes, with the paths of the runtime left out.
#[track_caller]
fn assert_body(body: TokenStream, expected: &[&str]) {
    let found = guarded_body(quote!(start, state = state), body);
    let found: Vec<String> = found
        .iter()
        .map(|line| {
            line.replace("__cancel_guarded::", "")
                .replace("#[allow(unreachable_code)]", "")
        })
        .collect();
    assert_eq!(found, expected);
}

#[test]
fn an_await_is_checked() {
    assert_body(
        quote!(let x = f().await?;),
        &["let x=checked(__start, f()).await?;"],
    );
    assert_body(
        quote!(f(g().await).await.h().await),
        &["checked(__start, checked(__start, f(checked(__start, g()).await)).await.h()).await"],
    );
}

#[test]
fn an_await_that_is_a_statement_is_checked_behind() {
    assert_body(
        quote!(f(g().await).await; h();),
        &[
            "f(checked(__start, g()).await).await;",
            "checkpoint(__start).await;",
            "h();",
        ],
    );
}

#[test]
fn nothing_is_checked_behind_the_last_statement() {
    assert_body(quote!(f().await;), &["f().await;"]);
    assert_body(quote!(select! {};), &["select!{  };"]);
}

#[test]
fn a_macro_that_waits_is_checked_behind() {
    assert_body(
        quote!(tokio::select! { x } let y = try_join!(a, b)?; join!(a); z();),
        &[
            "tokio::select!{ x }",
            "checkpoint(__start).await;",
            "let y=try_join!(a, b)?;",
            "checkpoint(__start).await;",
            "join!(a);",
            "checkpoint(__start).await;",
            "z();",
        ],
    );
}

#[test]
fn a_round_of_a_loop_ends_in_a_check() {
    assert_body(
        quote!(loop {
            select! { x }
        }),
        &["loop{ select!{ x }checkpoint(__start).await; }"],
    );
    assert_body(
        quote!(while let Some(x) = s.next().await {
            try_join!(a)?
        }),
        &[
            "while let Some(x)=checked(__start, s.next()).await{ try_join!(a)?;checkpoint(__start).await; }",
        ],
    );
}

#[test]
fn the_value_of_a_block_stays_its_value() {
    assert_body(
        quote!(let x = { select! { x } }; y();),
        &[
            "let x={ select!{ x } };",
            "checkpoint(__start).await;",
            "y();",
        ],
    );
}

#[test]
fn a_macro_in_a_block_is_checked_behind_if_it_is_not_the_value() {
    assert_body(
        quote!(if c {
            select! { x }
            g()
        }),
        &["if c{ select!{ x }checkpoint(__start).await;g() }"],
    );
    assert_body(
        quote!(if c {
            join!(a);
        }),
        &["if c{ join!(a);checkpoint(__start).await; }"],
    );
}

#[test]
fn a_macro_that_does_not_wait_is_left_alone() {
    assert_body(
        quote!(let x = vec![1]; let y = ensure!(x)?; debug!(y); g();),
        &["let x=vec![1];", "let y=ensure!(x)?;", "debug!(y);", "g();"],
    );
}

#[test]
fn what_runs_elsewhere_is_left_alone() {
    let body = quote! {
        spawn(async move { f().await });
        let c = async || f().await;
        fn g() { async { f().await }; }
        const { async { f().await } };
        debug!(async { f().await });
        h();
    };
    let untouched: Vec<String> = guarded_body(quote!(), body.clone());
    assert!(
        untouched
            .iter()
            .all(|line| !line.contains("checked") && !line.contains("checkpoint")),
        "{untouched:?}"
    );
}

#[test]
fn a_store_goes_to_the_attempt() {
    assert_body(
        quote!(state.store(Phase::Up); (&state).store(X); other.store(X); f();),
        &[
            "__start.store(Phase::Up);",
            "__start.store(X);",
            "other.store(X);",
            "f();",
        ],
    );
}

#[test]
fn a_store_to_another_cell_is_left_alone() {
    let stores = |state: TokenStream, place: TokenStream| {
        let body = guarded_body(quote!(state = #state), quote!(#place.store(X); f();));
        body.first()
            .is_some_and(|store| store == "__start.store(X);")
    };
    assert!(stores(quote!(service.cells[0]), quote!(service.cells[0])));
    assert!(!stores(quote!(service.cells[0]), quote!(service.cells(0))));
    assert!(stores(quote!(f(a).b), quote!(f(a).b)));
    assert!(!stores(quote!(f(a).b), quote!(f(a.b))));
    assert!(stores(quote!(service.state), quote!((&service.state))));
    // A macro's `$service:expr` comes in a group that nobody sees.
    let service = TokenTree::from(Group::new(Delimiter::None, quote!(service)));
    assert!(stores(quote!(#service.state), quote!(service.state)));
    let whole = TokenTree::from(Group::new(Delimiter::None, quote!(service.state)));
    assert!(stores(quote!(service.state), quote!(#whole)));
}

#[test]
fn a_shielded_statement_runs_under_a_guard() {
    assert_body(
        quote!(#[shielded] let a = f().await?; #[shielded] self.c = f().await; f();),
        &[
            "let __shield=shield(__start).await;",
            "let a=f().await?;",
            "::core::mem::drop(__shield);",
            "let __shield=shield(__start).await;",
            "self.c=f().await;",
            "::core::mem::drop(__shield);",
            "f();",
        ],
    );
}

#[test]
fn any_statement_that_waits_can_be_shielded() {
    let operand = TokenTree::from(Group::new(Delimiter::None, quote!(f().await)));
    let statements = [
        quote!(f().await;),
        quote!(f().await?;),
        quote!(f().await + 1;),
        quote!(1 + f().await;),
        quote!(f().await as u8;),
        quote!([f().await];),
        quote!([f().await; 2];),
        quote!({ f().await };),
        quote!(break f().await;),
        quote!(return f().await;),
        quote!(g(f().await);),
        quote!(g.h(f().await);),
        quote!(a[f().await];),
        quote!(a[f().await] = 1;),
        quote!(a.b = f().await;),
        quote!(*a = f().await;),
        quote!(a = f().await;),
        quote!(a!(b) = f().await;),
        quote!((f().await);),
        quote!((f().await, 1);),
        quote!(..f().await;),
        quote!(&f().await;),
        quote!(!f().await;),
        quote!(S { a: f().await };),
        // Tokens, as all of these are: nothing here runs.
        quote!(unsafe { f().await };),
        quote!(if c { f().await };),
        quote!(match f().await { _ => {} };),
        quote!(while f().await {};),
        quote!(loop { f().await };),
        quote!(for x in f().await {};),
        quote!(select! { x };),
        quote!(traced!(second, { f().await });),
        quote!(let x = f().await;),
        quote!(#operand;),
    ];
    for statement in statements {
        let body = guarded_body(quote!(start), quote!(#[shielded] #statement g();));
        let [raise, shielded, lower, rest] = body.as_slice() else {
            panic!("{statement} becomes {body:#?}");
        };
        assert_eq!(
            raise,
            "let __shield=__cancel_guarded::shield(__start).await;"
        );
        assert!(!shielded.contains("shielded"), "{shielded}");
        assert!(!shielded.contains("checked"), "{shielded}");
        assert!(lower.contains("::core::mem::drop(__shield)"), "{lower}");
        assert_eq!(rest, "g();");
    }
}

#[test]
fn a_shielded_value_stays_the_value() {
    assert_body(
        quote!(
            #[shielded]
            {
                f().await;
                state.store(X);
                g().await
            }
        ),
        &["{ let __shield=shield(__start).await;{ f().await;__start.store(X);g().await } }"],
    );
}

#[test]
fn a_shielded_start_is_not_checked() {
    let body = quote!(state.store(X); f().await; g().await?; select! {} h());
    let body = guarded_body(quote!(state = state, shielded), body);
    assert_eq!(
        body,
        [
            "__start.store(X);",
            "f().await;",
            "g().await?;",
            "select!{  }",
            "h()"
        ]
    );
}

#[test]
fn a_shielded_macro_stays_the_value() {
    assert_body(
        quote!(
            #[shielded]
            select! { x }
        ),
        &["{ let __shield=shield(__start).await;select!{ x } }"],
    );
}
