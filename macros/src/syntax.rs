//! Recognises and prints pieces of syntax. Knows nothing about the attribute's arguments.

use proc_macro2::{Delimiter, Group, Ident, Span, TokenStream, TokenTree};
use quote::ToTokens;
use syn::{Attribute, Expr, ExprMethodCall, Macro, Pat, Path, Stmt, Token, Type};

/// Whether the last segment of a path is this name, however the user imported it.
pub(crate) fn path_ends_in(path: &Path, name: &str) -> bool {
    path.segments.last().is_some_and(|last| last.ident == name)
}

/// Whether the tokens mention a variable.
pub(crate) fn mentions(tokens: TokenStream, name: &Ident) -> bool {
    Mentions::of(tokens).contain(name)
}

/// The variables that tokens mention: names other than those of a field, a method or a part of a path,
/// and each `{name}` in a format string.
#[derive(Default)]
pub(crate) struct Mentions {
    names: Vec<String>,
    literals: Vec<String>,
}

impl Mentions {
    pub(crate) fn of(tokens: TokenStream) -> Self {
        let mut mentions = Self::default();
        mentions.add(tokens);
        mentions
    }

    fn add(&mut self, tokens: TokenStream) {
        // The two punctuation characters before the current token, the nearest last.
        let mut before = [' ', ' '];
        for tree in tokens {
            let mut punct = ' ';
            match tree {
                TokenTree::Ident(ident) => {
                    let is_member = match before {
                        [':', ':'] => true,
                        [further, nearest] => nearest == '.' && further != '.',
                    };
                    if !is_member {
                        self.names.push(ident.to_string());
                    }
                }
                TokenTree::Literal(literal) => {
                    let text = literal.to_string();
                    if text.contains('{') {
                        self.literals.push(text);
                    }
                }
                TokenTree::Group(group) => self.add(group.stream()),
                TokenTree::Punct(p) => punct = p.as_char(),
            }
            let [_, nearest] = before;
            before = [nearest, punct];
        }
    }

    pub(crate) fn contain(&self, variable: &Ident) -> bool {
        let name = variable.to_string();
        let (captured, formatted) = (format!("{{{name}}}"), format!("{{{name}:"));
        let is_formatted = |text: &String| text.contains(&captured) || text.contains(&formatted);
        self.names.contains(&name) || self.literals.iter().any(is_formatted)
    }
}

/// The first identifier of this name, at any depth.
pub(crate) fn find_ident(tokens: TokenStream, name: &str) -> Option<Ident> {
    tokens.into_iter().find_map(|tree| match tree {
        TokenTree::Ident(ident) if ident == name => Some(ident),
        TokenTree::Group(group) => find_ident(group.stream(), name),
        _ => None,
    })
}

/// The name of the variable that an expression is.
pub(crate) fn as_variable(expr: &Expr) -> Option<&Ident> {
    match expr {
        Expr::Path(path) => path.path.get_ident(),
        Expr::Group(group) => as_variable(&group.expr),
        Expr::Paren(paren) => as_variable(&paren.expr),
        _ => None,
    }
}

/// The variable that an expression begins with.
pub(crate) fn place_root(expr: &Expr) -> Option<&Ident> {
    match expr {
        Expr::Field(field) => place_root(&field.base),
        Expr::Reference(reference) => place_root(&reference.expr),
        Expr::MethodCall(call) => place_root(&call.receiver),
        Expr::Index(index) => place_root(&index.expr),
        expr => as_variable(expr),
    }
}

/// Writes `__self` for `self`, which cannot be bound again.
pub(crate) fn rename_self(tokens: TokenStream) -> TokenStream {
    let trees = tokens.into_iter().map(|tree| match tree {
        TokenTree::Ident(ident) if ident == "self" => TokenTree::Ident(renamed_self(&ident)),
        TokenTree::Group(group) => {
            let mut renamed = Group::new(group.delimiter(), rename_self(group.stream()));
            renamed.set_span(group.span());
            TokenTree::Group(renamed)
        }
        tree => tree,
    });
    trees.collect()
}

/// The variable that stands for a `self` at this place.
pub(crate) fn renamed_self(this: &Ident) -> Ident {
    Ident::new("__self", Span::mixed_site().located_at(this.span()))
}

/// The one variable that a pattern binds its whole value to.
pub(crate) fn pat_variable(pat: &Pat) -> Option<&Ident> {
    match pat {
        Pat::Ident(pat) if pat.by_ref.is_none() => Some(&pat.ident),
        Pat::Paren(pat) => pat_variable(&pat.pat),
        Pat::Type(pat) => pat_variable(&pat.pat),
        _ => None,
    }
}

/// Whether a pattern moves all of its value into variables.
pub(crate) fn pat_binds_all(pat: &Pat) -> bool {
    match pat {
        Pat::Ident(pat) => pat.by_ref.is_none(),
        Pat::Paren(pat) => pat_binds_all(&pat.pat),
        Pat::Reference(pat) => pat_binds_all(&pat.pat),
        Pat::Struct(pat) => pat.rest.is_none() && pat.fields.iter().all(|f| pat_binds_all(&f.pat)),
        Pat::Tuple(pat) => pat.elems.iter().all(pat_binds_all),
        Pat::TupleStruct(pat) => pat.elems.iter().all(pat_binds_all),
        _ => false,
    }
}

/// Whether a type is `&T` or `&mut T`.
pub(crate) fn is_reference(ty: &Type) -> bool {
    match ty {
        Type::Reference(_) => true,
        Type::Group(group) => is_reference(&group.elem),
        Type::Paren(paren) => is_reference(&paren.elem),
        _ => false,
    }
}

/// Whether a macro waits for the futures in its input.
pub(crate) fn is_awaiting_macro(mac: &Macro) -> bool {
    ["select", "select_biased", "join", "try_join"]
        .iter()
        .any(|name| path_ends_in(&mac.path, name))
}

/// Whether a macro that waits by itself, or one with an `.await` in its input, may suspend the
/// function around it.
pub(crate) fn may_suspend(mac: &Macro) -> bool {
    is_awaiting_macro(mac) || awaits(mac.tokens.clone())
}

/// Whether tokens contain an `.await` that is not in an async block or in a closure's body.
fn awaits(tokens: TokenStream) -> bool {
    let mut is_async = false;
    for tree in tokens {
        match &tree {
            TokenTree::Ident(word) if word == "await" => return true,
            TokenTree::Group(group) if !is_async && awaits(group.stream()) => return true,
            _ => {}
        }
        is_async = match &tree {
            TokenTree::Ident(word) if word == "move" => is_async,
            TokenTree::Ident(word) => word == "async",
            _ => false,
        };
    }
    false
}

/// Whether a call is `STATE.store(..)`, with STATE spelled as in `state =`.
pub(crate) fn is_store(call: &ExprMethodCall, state: &Expr) -> bool {
    is_method_of(call, state, "store", 1)
}

/// Whether a call is `STATE.store(.., ORDERING)`, as on an atomic.
pub(crate) fn is_atomic_store(call: &ExprMethodCall, state: &Expr) -> bool {
    is_method_of(call, state, "store", 2)
}

/// Whether a call is `PLACE.METHOD(..)` with this number of arguments.
pub(crate) fn is_method_of(
    call: &ExprMethodCall,
    place: &Expr,
    method: &str,
    arguments: usize,
) -> bool {
    call.method == method && call.args.len() == arguments && is_same_place(&call.receiver, place)
}

/// Whether a call makes a future a part of the service: `STATE.serve(..)` and its like.
pub(crate) fn is_part(call: &ExprMethodCall, state: &Expr) -> bool {
    ["serve", "serve_local", "track"]
        .iter()
        .any(|method| is_method_of(call, state, method, 1))
}

/// Whether two expressions spell the same place: parentheses and borrows are ignored, and
/// `__self` means `self`, as in the output of `async_trait`.
pub(crate) fn is_same_place(a: &Expr, b: &Expr) -> bool {
    normalized_tokens(a) == normalized_tokens(b)
}

fn normalized_tokens(expr: &Expr) -> Vec<String> {
    fn normalize(tokens: TokenStream, words: &mut Vec<String>) {
        for tree in tokens {
            match tree {
                TokenTree::Group(group) => {
                    let delimiter = group.delimiter();
                    words.extend((delimiter != Delimiter::None).then(|| format!("{delimiter:?}")));
                    normalize(group.stream(), words);
                    words.extend((delimiter != Delimiter::None).then(|| "end".to_owned()));
                }
                TokenTree::Ident(ident) if ident == "__self" => words.push("self".to_owned()),
                tree => words.push(tree.to_string()),
            }
        }
    }
    let place = match expr {
        Expr::Group(group) => return normalized_tokens(&group.expr),
        Expr::Paren(paren) => return normalized_tokens(&paren.expr),
        Expr::Reference(reference) => return normalized_tokens(&reference.expr),
        place => place,
    };
    let mut words = Vec::new();
    normalize(place.to_token_stream(), &mut words);
    words
}

/// Whether an attribute is a `#[doc = ".."]`, which is also what `///` is.
pub(crate) fn is_doc(attr: &Attribute) -> bool {
    attr.path().is_ident("doc") && attr.meta.require_name_value().is_ok()
}

/// Whether an attribute is one that only a guarded body has.
pub(crate) fn is_guard_attr(attr: &Attribute) -> bool {
    is_shielded(attr) || is_detached(attr)
}

pub(crate) fn is_shielded(attr: &Attribute) -> bool {
    attr.path().is_ident("shielded")
}

pub(crate) fn is_detached(attr: &Attribute) -> bool {
    attr.path().is_ident("detached")
}

/// Takes the first attribute for which `is_wanted` holds off a statement.
pub(crate) fn take_attr(stmt: &mut Stmt, is_wanted: fn(&Attribute) -> bool) -> Option<Attribute> {
    let attrs = attrs_mut(stmt)?;
    let position = attrs.iter().position(is_wanted)?;
    Some(attrs.remove(position))
}

/// Gives a statement its attribute back.
pub(crate) fn put_attr(stmt: &mut Stmt, attr: Attribute) {
    if let Some(attrs) = attrs_mut(stmt) {
        attrs.insert(0, attr);
    }
}

pub(crate) fn has_semi(stmt: &Stmt) -> bool {
    match stmt {
        Stmt::Expr(_, semi) => semi.is_some(),
        Stmt::Macro(stmt) => stmt.semi_token.is_some(),
        Stmt::Local(_) | Stmt::Item(_) => true,
    }
}

/// The `mut` of a pattern that is one variable.
pub(crate) fn strip_mut(pat: &mut Pat) -> Option<Token![mut]> {
    match pat {
        Pat::Ident(pat) => pat.mutability.take(),
        Pat::Paren(pat) => strip_mut(&mut pat.pat),
        _ => None,
    }
}

/// The attributes that the user put on a statement. In `#[shielded] self.c = f().await;` the parser
/// gives them to `self.c`.
fn attrs_mut(stmt: &mut Stmt) -> Option<&mut Vec<Attribute>> {
    fn of_expr(expr: &mut Expr) -> Option<&mut Vec<Attribute>> {
        Some(match expr {
            Expr::Assign(expr) => return of_expr(&mut expr.left),
            Expr::Binary(expr) => return of_expr(&mut expr.left),
            Expr::Cast(expr) => return of_expr(&mut expr.expr),
            Expr::Array(expr) => &mut expr.attrs,
            Expr::Async(expr) => &mut expr.attrs,
            Expr::Await(expr) => &mut expr.attrs,
            Expr::Block(expr) => &mut expr.attrs,
            Expr::Break(expr) => &mut expr.attrs,
            Expr::Call(expr) => &mut expr.attrs,
            Expr::Closure(expr) => &mut expr.attrs,
            Expr::Const(expr) => &mut expr.attrs,
            Expr::Continue(expr) => &mut expr.attrs,
            Expr::Field(expr) => &mut expr.attrs,
            Expr::ForLoop(expr) => &mut expr.attrs,
            Expr::Group(expr) => &mut expr.attrs,
            Expr::If(expr) => &mut expr.attrs,
            Expr::Index(expr) => &mut expr.attrs,
            Expr::Lit(expr) => &mut expr.attrs,
            Expr::Loop(expr) => &mut expr.attrs,
            Expr::Macro(expr) => &mut expr.attrs,
            Expr::Match(expr) => &mut expr.attrs,
            Expr::MethodCall(expr) => &mut expr.attrs,
            Expr::Paren(expr) => &mut expr.attrs,
            Expr::Path(expr) => &mut expr.attrs,
            Expr::Range(expr) => &mut expr.attrs,
            Expr::Reference(expr) => &mut expr.attrs,
            Expr::Repeat(expr) => &mut expr.attrs,
            Expr::Return(expr) => &mut expr.attrs,
            Expr::Struct(expr) => &mut expr.attrs,
            Expr::Try(expr) => &mut expr.attrs,
            Expr::Tuple(expr) => &mut expr.attrs,
            Expr::Unary(expr) => &mut expr.attrs,
            Expr::Unsafe(expr) => &mut expr.attrs,
            Expr::While(expr) => &mut expr.attrs,
            _ => return None,
        })
    }
    match stmt {
        Stmt::Local(local) => Some(&mut local.attrs),
        Stmt::Macro(stmt) => Some(&mut stmt.attrs),
        Stmt::Expr(expr, _) => of_expr(expr),
        Stmt::Item(_) => None,
    }
}

/// The spans of the first and the last token.
pub(crate) fn span_ends(tokens: &dyn ToTokens) -> (Span, Span) {
    let mut trees = tokens.to_token_stream().into_iter();
    let Some(tree) = trees.next() else {
        return (Span::mixed_site(), Span::mixed_site());
    };
    let (first, last) = tree_ends(&tree);
    (first, trees.last().map_or(last, |tree| tree_ends(&tree).1))
}

/// The invisible group around a macro's `$operand:expr` has no span of its own.
fn tree_ends(tree: &TokenTree) -> (Span, Span) {
    match tree {
        TokenTree::Group(group) if group.delimiter() == Delimiter::None => {
            span_ends(&group.stream())
        }
        tree => (tree.span(), tree.span()),
    }
}

/// Tokens as a person writes them: `self.state`, not `self . state`.
pub(crate) fn to_source(tokens: &dyn ToTokens) -> String {
    let mut text = String::new();
    print(tokens.to_token_stream(), &mut text);
    text
}

fn print(tokens: TokenStream, text: &mut String) {
    let mut is_in_params = false;
    for tree in tokens {
        let word = match tree {
            TokenTree::Group(group) => {
                let (open, close) = match group.delimiter() {
                    Delimiter::Parenthesis => ("(", ")"),
                    Delimiter::Brace => ("{ ", " }"),
                    Delimiter::Bracket => ("[", "]"),
                    Delimiter::None => ("", ""),
                };
                text.push_str(open);
                print(group.stream(), text);
                text.push_str(close);
                continue;
            }
            TokenTree::Punct(bar) if bar.as_char() == '|' && is_in_params => {
                is_in_params = false;
                text.push_str("| ");
                continue;
            }
            TokenTree::Punct(bar) if bar.as_char() == '|' => {
                let is_operand = |c: char| c.is_alphanumeric() || "_)]}\"?".contains(c);
                is_in_params = text.ends_with("move") || !text.trim_end().ends_with(is_operand);
                "|".to_owned()
            }
            tree => tree.to_string(),
        };
        let is_word = |c: char| c == '_' || c.is_alphanumeric();
        let is_after_word = text.ends_with(is_word) && word.starts_with(is_word);
        if is_after_word || text.ends_with(',') || text.ends_with("move") && word == "|" {
            text.push(' ');
        }
        text.push_str(&word);
    }
}
