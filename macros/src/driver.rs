//! `#[cancel_guarded(ARGS)] ITEM`: parse, check, expand, and what is emitted after an error.

use proc_macro2::TokenStream;
use quote::quote;

use crate::args::Args;
use crate::check::{check, not_a_function};
use crate::errors::Errors;
use crate::expand::{StripGuardSyntax, expand};
use crate::function::InputFn;
use crate::syntax::path_ends_in;
use crate::visit::{Node, Visit as _, visit_stmts};

pub(crate) fn cancel_guarded(args: TokenStream, item: TokenStream) -> TokenStream {
    let mut errors = Errors::default();
    let args = Args::parse(args, &mut errors);
    let strip = StripGuardSyntax {
        state: args.state.clone(),
        state_is_unparsed: args.is_unparsed("state"),
    };
    let guard = match syn::parse2::<InputFn>(item.clone()) {
        Ok(input) => check(args, input, &mut errors),
        Err(error) => {
            errors.push(not_a_function(&item, &error));
            None
        }
    };
    match (errors.into_result(), guard) {
        (Ok(()), Some(guard)) => expand(guard),
        (Ok(()), None) => emit_fallback(item, strip),
        (Err(errors), _) => {
            let errors = errors.into_compile_error();
            let fallback = emit_fallback(item, strip);
            quote!(#errors #fallback)
        }
    }
}

/// The function without its guard, so that its callers still find it.
///
/// It is parsed once more, so that nothing has to be copied where there is no error.
fn emit_fallback(item: TokenStream, mut strip: StripGuardSyntax) -> TokenStream {
    let Ok(mut input) = syn::parse2::<InputFn>(item.clone()) else {
        return item;
    };
    input
        .attrs
        .retain(|attr| !path_ends_in(attr.path(), "cancel_guarded"));
    strip.visit_node(Node::Attributes(&mut input.attrs));
    // Rustc reports it four times.
    input.sig.variadic = None;
    if let Some(stmts) = input.stmts_mut() {
        visit_stmts(stmts, &mut strip);
    }
    quote! {
        #[allow(unused)]
        #input
    }
}
