//! Mistakes in the arguments.

use proc_macro2::TokenStream;
use quote::quote;

use super::errors;

fn of(args: TokenStream) -> Vec<String> {
    errors(
        args,
        quote!(
            async fn start(shutdown: CancellationToken) {}
        ),
    )
}

const ALL: &str = "`start`, `run`, `token = EXPR`, `caller = NAME`, `state = EXPR`, `restart`, `on_refused = FUNCTION`, `shielded` or `crate = PATH`";

#[test]
fn an_unknown_argument_names_the_nearest() {
    assert_eq!(
        of(quote!(stat = x, shield)),
        [
            format!("`stat` is not an argument; did you mean `state`? The arguments are {ALL}"),
            format!(
                "`shield` is not an argument; did you mean `shielded`? The arguments are {ALL}"
            ),
        ]
    );
    assert_eq!(
        of(quote!(timeout = 5)),
        [format!("`timeout` is not an argument; write {ALL}")]
    );
}

#[test]
fn what_is_far_from_every_argument_names_none() {
    // Too far, in turn: one letter to insert twice, to delete, to replace; a prefix of two letters.
    for far in ["sat", "stateless", "upstate", "shelter", "st"] {
        let name = quote::format_ident!("{far}");
        assert_eq!(
            of(quote!(#name = x)),
            [format!("`{far}` is not an argument; write {ALL}")]
        );
    }
    for (near, meant) in [
        ("tok", "token"),
        ("sheilded", "shielded"),
        ("restat", "restart"),
        ("reestart", "restart"),
        ("onrefused", "on_refused"),
        ("tokem", "token"),
    ] {
        let name = quote::format_ident!("{near}");
        assert_eq!(
            of(quote!(#name = x)),
            [format!(
                "`{near}` is not an argument; did you mean `{meant}`? The arguments are {ALL}"
            )]
        );
    }
}

#[test]
fn each_mistake_is_told() {
    assert_eq!(
        of(quote!(restart = true, state = x, state = y, token, "x", crate = "a::b", shielded x)),
        [
            "`restart` takes no value; write `restart`, or leave it out",
            "`state` is given twice; keep one of the two",
            "`token` needs a value; write it as in `token = self.shutdown`",
            &format!("expected an argument; write {ALL}"),
            "`crate` is a path, not a string; write `crate = a::b`",
            "`shielded` takes no value; write `shielded`, or leave it out",
        ]
    );
}

#[test]
fn values_are_expressions() {
    assert_eq!(
        of(quote!(state = "self.state")),
        ["`state` is an expression, not a string; write `state = self.state`"]
    );
    assert_eq!(
        of(quote!(token = )),
        ["`token` needs an expression; write it as in `token = self.shutdown`"]
    );
    assert_eq!(
        of(quote!(token = shutdown restart)),
        ["expected `,` between two arguments"]
    );
    assert_eq!(
        of(quote!(on_refused = Ok(()))),
        ["`on_refused` is a function of the `StartError`; write `on_refused = |_| Ok(())`"]
    );
}

#[test]
fn a_value_stands_after_an_equals_sign() {
    assert_eq!(
        of(quote!(state(self.state))),
        ["`state` takes its value after a `=`; write `state = self.state`"]
    );
    // In other brackets it is no value that could be quoted.
    assert_eq!(
        of(quote!(state { a: 1 })),
        ["`state` needs a value; write it as in `state = self.state`"]
    );
}

#[test]
fn a_value_without_a_name_is_quoted() {
    assert_eq!(
        of(quote!(self.state)),
        [
            "this does not say which argument it is; write `state = self.state` or `token = self.state` (the body then takes its own token from the state's `token()`, which every stop cancels)"
        ]
    );
    assert_eq!(
        of(quote!(&cell)),
        [
            "this does not say which argument it is; write `state = &cell` or `token = &cell` (the body then takes its own token from the state's `token()`, which every stop cancels)"
        ]
    );
    assert_eq!(of(quote!(self.x = y)).len(), 1);
}

#[test]
fn an_argument_that_cannot_be_read_is_not_missing() {
    assert_eq!(
        of(quote!(state =, restart)),
        ["`state` needs an expression; write it as in `state = self.state`"]
    );
    assert_eq!(
        errors(
            quote!(token =),
            quote!(
                async fn start() {}
            )
        ),
        ["`token` needs an expression; write it as in `token = self.shutdown`"]
    );
}

#[test]
fn a_trailing_comma_is_no_mistake() {
    assert_eq!(of(quote!(crate = x,)), [] as [&str; 0]);
}

#[test]
fn a_restart_needs_a_state() {
    assert_eq!(
        of(quote!(restart)),
        ["without a state there is nothing to restart; add `state = EXPR`, or remove `restart`"]
    );
}
