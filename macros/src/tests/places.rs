//! Where the generated code lies: rustc is to point at the user's own tokens.

use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};
use quote::quote;

use super::line_and_column;

/// Where the `checked` and its arguments lie that an await of this operand gets.
fn checked(operand: TokenStream) -> (String, String) {
    let item = quote!(async fn start(t: &CancellationToken) -> u8 { #operand.await });
    let expanded = crate::driver::cancel_guarded(quote!(), item);
    find_checked(expanded).expect("the await is checked")
}

fn find_checked(tokens: TokenStream) -> Option<(String, String)> {
    let trees: Vec<TokenTree> = tokens.into_iter().collect();
    let call = trees.windows(2).find_map(|pair| match pair {
        [TokenTree::Ident(name), TokenTree::Group(arguments)] if name == "checked" => {
            let places = [name.span(), arguments.span()].map(line_and_column);
            Some(places.into())
        }
        _ => None,
    });
    call.or_else(|| {
        trees.into_iter().find_map(|tree| match tree {
            TokenTree::Group(group) => find_checked(group.stream()),
            _ => None,
        })
    })
}

#[test]
fn an_await_is_checked_from_the_first_token_of_its_operand_to_the_last() {
    let operand = |source: &str| source.parse().expect("tokens");
    let places = |first: &str, last: &str| (first.to_owned(), last.to_owned());
    assert_eq!(
        checked(operand("self\n .bind(addr)\n   ?")),
        places("1:1", "3:4")
    );
    assert_eq!(
        checked(operand("(self.bind)\n (addr)")),
        places("1:1", "2:2")
    );
    // A token that a macro passes on comes in a group whose own place is not the user's.
    let passed = Group::new(Delimiter::None, operand("bind(addr)\n ?"));
    assert_eq!(
        checked(TokenTree::from(passed).into()),
        places("1:1", "2:2")
    );
}
