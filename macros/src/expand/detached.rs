//! Removes `#[detached]`, also in closures, async blocks and the input of macros: the check for
//! unserved tasks looks there too.

use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};
use syn::Stmt;

use crate::syntax::is_detached;
use crate::visit::{Node, Visit};

/// Removes every `#[detached]` from statements.
pub(crate) fn strip(stmts: &mut [Stmt]) {
    for stmt in stmts {
        StripDetached.visit_node(Node::Stmt(stmt));
    }
}

struct StripDetached;

impl Visit for StripDetached {
    fn visit_node(&mut self, node: Node<'_>) {
        match node {
            Node::Attributes(attrs) => attrs.retain(|attr| !is_detached(attr)),
            Node::Macro(mac) => {
                if has_detached(mac.tokens.clone()) {
                    mac.tokens = without_detached(mac.tokens.clone());
                }
            }
            Node::Item(_) => {}
            node => node.visit_children(self),
        }
    }
}

fn has_detached(tokens: TokenStream) -> bool {
    tokens.into_iter().any(|tree| match tree {
        TokenTree::Group(group) => is_detached_group(&group) || has_detached(group.stream()),
        _ => false,
    })
}

/// The `[detached]` of `#[detached]`.
fn is_detached_group(group: &Group) -> bool {
    let mut trees = group.stream().into_iter();
    group.delimiter() == Delimiter::Bracket
        && matches!(trees.next(), Some(TokenTree::Ident(word)) if word == "detached")
        && trees.next().is_none()
}

// Input:
//     job = jobs.next() => { #[detached] tokio::spawn(job); }
//
// Output:
//     job = jobs.next() => { tokio::spawn(job); }
fn without_detached(tokens: TokenStream) -> TokenStream {
    let mut rest = tokens.into_iter().peekable();
    let mut kept = TokenStream::new();
    while let Some(tree) = rest.next() {
        let is_attr = matches!(&tree, TokenTree::Punct(pound) if pound.as_char() == '#')
            && matches!(rest.peek(), Some(TokenTree::Group(group)) if is_detached_group(group));
        if is_attr {
            rest.next();
            continue;
        }
        kept.extend([match tree {
            TokenTree::Group(group) if has_detached(group.stream()) => {
                let mut inside = Group::new(group.delimiter(), without_detached(group.stream()));
                inside.set_span(group.span());
                TokenTree::Group(inside)
            }
            tree => tree,
        }]);
    }
    kept
}
