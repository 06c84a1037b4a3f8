//! The branches of a `select!`.

use syn::ext::IdentExt as _;
use syn::parse::{Parse, ParseStream};
use syn::{Expr, Ident, Pat, Token};

/// The input of a `select!`.
pub(crate) struct Branches {
    pub(crate) is_biased: bool,
    pub(crate) branches: Vec<Branch>,
}

/// One branch. An `else` has no future.
pub(crate) struct Branch {
    pub(crate) future: Option<Expr>,
    pub(crate) guard: Option<Expr>,
    pub(crate) body: Expr,
}

impl Parse for Branches {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let is_biased = input.peek(Ident) && input.peek2(Token![;]);
        if is_biased {
            input.parse::<Ident>()?;
            input.parse::<Token![;]>()?;
        }
        let mut branches = Vec::new();
        while !input.is_empty() {
            branches.push(input.parse()?);
            input.parse::<Option<Token![,]>>()?;
        }
        Ok(Self {
            is_biased,
            branches,
        })
    }
}

impl Parse for Branch {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let mut future = None;
        let mut guard = None;
        if input.peek(Ident::peek_any) && input.peek2(Token![=>]) {
            Ident::parse_any(input)?;
        } else {
            Pat::parse_multi_with_leading_vert(input)?;
            input.parse::<Token![=]>()?;
            future = Some(input.parse()?);
            if input.peek(Token![,]) {
                input.parse::<Token![,]>()?;
                input.parse::<Token![if]>()?;
                guard = Some(input.parse()?);
            }
        }
        input.parse::<Token![=>]>()?;
        let body = Expr::parse_with_earlier_boundary_rule(input)?;
        Ok(Self {
            future,
            guard,
            body,
        })
    }
}
