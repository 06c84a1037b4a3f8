//! The rewriting of the body.

use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};
use quote::quote;

use super::guarded_body;

/// Expands a body, with the paths of the runtime left out.
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
fn an_await_that_is_a_statement_is_checked() {
    assert_body(
        quote!(f(g().await).await; h();),
        &[
            "checked(__start, f(checked(__start, g()).await)).await;",
            "h();",
        ],
    );
}

#[test]
fn nothing_is_checked_behind_the_last_statement() {
    assert_body(quote!(select! {};), &["select!{  };"]);
}

#[test]
fn a_macro_anywhere_in_a_statement_is_checked_behind() {
    let check = "checkpoint(__start).await;";
    for statement in [
        quote!(let x = try_join!(a, b).context("x")?;),
        quote!(if let Err(e) = try_join!(a, b) {
            return Err(e);
        }),
        quote!(match select! { x } { Ok(a) => a, Err(e) => e };),
        quote!((a, b) = join!(a, b);),
        quote!(let x = join!(a, b).0;),
        quote!(let x = dbg!(f().await);),
        quote!(println!("{}", f().await);),
        quote!(let x = loop { select! { r = f() => break r } };),
        quote!(let x = loop { match select! { r = f() => r } { Ok(x) => break x, Err(e) => g(e) } };),
        quote!(let x = if c { select! { x } } else { 1 };),
    ] {
        let body = guarded_body(quote!(start), quote!(#statement g();));
        let [_, checked, rest] = body.as_slice() else {
            panic!("{statement} becomes {body:#?}");
        };
        assert!(checked.ends_with(check), "{statement} becomes {body:#?}");
        assert_eq!(rest, "g();");
    }
    for statement in [
        quote!(return select! { x };),
        quote!(let f = async { select! { x } };),
        quote!(let f = || dbg!(async { f().await });),
        quote!(debug!(async move { f().await });),
    ] {
        let body = guarded_body(quote!(start), quote!(#statement g();));
        assert_eq!(body.len(), 2, "{statement} becomes {body:#?}");
    }
}

#[test]
fn a_block_behind_a_condition_that_waits_is_checked_at_its_beginning() {
    assert_body(
        quote!(if matches!(f().await, Ok(1)) { g(); } h();),
        &[
            "if matches!(f().await, Ok(1)){ checkpoint(__start).await;g(); }",
            "checkpoint(__start).await;",
            "h();",
        ],
    );
    // A value that a pattern binds may not be `Send`.
    assert_body(
        quote!(if let Ok(x) = join!(f()) { g(x); } h();),
        &[
            "if let Ok(x)=join!(f()){ g(x); }",
            "checkpoint(__start).await;",
            "h();",
        ],
    );
}

#[test]
fn a_round_that_continue_begins_is_checked() {
    assert_body(
        quote!(while c { g(); select! { _ = f() => continue } } h();),
        &[
            "while c{ checkpoint(__start).await;g();checkpoint(__start).await;select!{ _=f()=>continue }\
             #[allow(unreachable_code)]checkpoint(__start).await; }",
            "#[allow(unreachable_code)]checkpoint(__start).await;",
            "h();",
        ]
        .map(|line| line.replace("#[allow(unreachable_code)]", ""))
        .each_ref()
        .map(|line| &**line),
    );
}

#[test]
fn nothing_is_allowed_that_need_not_be() {
    let allows = |body: TokenStream| guarded_body(quote!(start), body).join("").contains("allow");
    assert!(allows(quote!(select! { _ = f() => return } g();)));
    assert!(!allows(quote!(select! { x = f() => x } g();)));
    assert!(!allows(
        quote!(f().await; #[shielded] let x = f().await; g();)
    ));
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
        &["loop{ checkpoint(__start).await;select!{ x } }"],
    );
    assert_body(
        quote!(while let Some(x) = s.next().await {
            try_join!(a)?
        }),
        &[
            "while let Some(x)=checked(__start, s.next()).await{ checkpoint(__start).await;try_join!(a)?;checkpoint(__start).await; }",
        ],
    );
}

#[test]
fn the_value_of_a_block_stays_its_value() {
    assert_body(
        quote!(let x = { select! { x } }; y();),
        &[
            "let x={ checkpoint(__start).await;select!{ x } };",
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
        &["if c{ checkpoint(__start).await;select!{ x }checkpoint(__start).await;g() }"],
    );
    assert_body(
        quote!(if c {
            join!(a);
        }),
        &["if c{ checkpoint(__start).await;join!(a);checkpoint(__start).await; }"],
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
            "Start::store(__start, Phase::Up);",
            "Start::store(__start, X);",
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
            .is_some_and(|store| store == "__cancel_guarded::Start::store(__start, X);")
    };
    assert!(stores(quote!(service.cells[0]), quote!(service.cells[0])));
    assert!(!stores(quote!(service.cells[0]), quote!(service.cells(0))));
    assert!(stores(quote!(f(a).b), quote!(f(a).b)));
    assert!(!stores(quote!(f(a).b), quote!(f(a.b))));
    assert!(stores(quote!(service.state), quote!((&service.state))));
    // A macro's `$service:expr` comes in an invisible group.
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
            "{ let __shield=shield(__start).await;self.c=f().await; }",
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
        let (shielded, rest) = match body.as_slice() {
            [raise, shielded, lower, rest] => {
                assert_eq!(
                    raise,
                    "let __shield=__cancel_guarded::shield(__start).await;"
                );
                assert!(lower.ends_with("::core::mem::drop(__shield);"), "{lower}");
                (shielded, rest)
            }
            [block, rest] => {
                assert!(
                    block.starts_with("{ let __shield=__cancel_guarded::shield(__start).await;"),
                    "{block}"
                );
                (block, rest)
            }
            _ => panic!("{statement} becomes {body:#?}"),
        };
        assert!(!shielded.contains("shielded"), "{shielded}");
        assert!(!shielded.contains("checked"), "{shielded}");
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
        &[
            "{ let __shield=shield(__start).await;{ f().await;Start::store(__start, X);g().await } }",
        ],
    );
}

#[test]
fn a_shielded_start_is_not_checked() {
    let body = quote!(state.store(X); f().await; g().await?; select! {} h());
    let body = guarded_body(quote!(state = state, shielded), body);
    assert_eq!(
        body,
        [
            "__cancel_guarded::Start::store(__start, X);",
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
