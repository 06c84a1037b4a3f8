//! The function that makes the value of a refused start.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, quote_spanned};
use syn::{Expr, Token};

use crate::model::Guard;
use crate::syntax::{find_ident, rename_self, span_ends};

// Input:
//     on_refused = |error| Err(format!("{name}: {error}"))
//
// Output, where the body uses `name` as well:
//     {
//         let name = ::core::clone::Clone::clone(&name);
//         move |error| Err(format!("{name}: {error}"))
//     }
//
// Input:
//     on_refused = refused
//
// Output:
//     move |__error| refused(__error)
//
// Rustc reports a mistake once at a call, and three times at a bound. In a closure that the user
// wrote, the bound gives the parameter its type.
pub(crate) fn closure(guard: &Guard) -> Option<TokenStream> {
    let on_refused = guard.args.on_refused.as_ref()?;
    let captures = &guard.params.on_refused;
    let span = Span::mixed_site().located_at(span_ends(on_refused).0);
    let make = match on_refused {
        Expr::Closure(closure) => {
            let mut closure = closure.clone();
            if captures.is_move {
                closure.capture.get_or_insert(Token![move](span));
            }
            closure.into_token_stream()
        }
        Expr::Path(path) => quote_spanned!(span=> move |__error| #path(__error)),
        other => other.to_token_stream(),
    };
    // A value that cannot be cloned is reported where the closure uses it.
    let used = |name: &Ident| {
        find_ident(on_refused.to_token_stream(), &name.to_string()).unwrap_or_else(|| name.clone())
    };
    let cloned = captures.cloned.iter().map(|name| {
        let used = used(name);
        let span = Span::mixed_site().located_at(used.span());
        quote_spanned!(span=> let #name = ::core::clone::Clone::clone(&#used);)
    });
    let cloned_from_reference = captures.cloned_from_reference.iter().map(|name| {
        let used = used(name);
        let span = Span::mixed_site().located_at(used.span());
        quote_spanned!(span=> let #name = ::core::clone::Clone::clone(#used);)
    });
    let mut lets: TokenStream = cloned.chain(cloned_from_reference).collect();
    let mut make = make;
    if let Some(receiver) = captures.cloned_self {
        let this = Ident::new("__self", span);
        lets.extend(quote_spanned!(span=> let #this = ::core::clone::Clone::clone(&#receiver);));
        make = rename_self(make);
    }
    Some(if lets.is_empty() {
        make
    } else {
        quote_spanned!(span=> { #lets #make })
    })
}
