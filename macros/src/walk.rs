//! One walk through the syntax tree, for all that reads it or rewrites it.
//!
//! A visitor of syn's is some 350 functions, and rustc compiles them anew for each type that is
//! one. Here is a single one, and what is to be done at a node lies behind a `dyn`: fifteen of
//! their own were more than half of what this crate is compiled to.

use proc_macro2::Ident;
use syn::visit_mut::{self, VisitMut};
use syn::{
    AssocType, Attribute, Block, Expr, ExprConst, Item, Lifetime, Macro,
    ParenthesizedGenericArguments, Pat, PatIdent, Path, Receiver, Stmt, Type,
};

/// What a walk comes to, as far as anything is ever done there.
pub(crate) enum Node<'a> {
    AssocType(&'a mut AssocType),
    Attributes(&'a mut Vec<Attribute>),
    Block(&'a mut Block),
    /// `const { .. }`, be it an expression or a pattern.
    Const(&'a mut ExprConst),
    Expr(&'a mut Expr),
    /// The `(A) -> B` of `Fn(A) -> B`.
    FnArguments(&'a mut ParenthesizedGenericArguments),
    Ident(&'a mut Ident),
    Item(&'a mut Item),
    Lifetime(&'a mut Lifetime),
    Macro(&'a mut Macro),
    Pat(&'a mut Pat),
    PatIdent(&'a mut PatIdent),
    Path(&'a mut Path),
    Receiver(&'a mut Receiver),
    Stmt(&'a mut Stmt),
    Type(&'a mut Type),
}

/// Walks through a syntax tree.
pub(crate) trait Walk {
    /// Does what is to be done at a node. What is inside of it is skipped, unless this says
    /// `node.inside(self)`.
    fn at(&mut self, node: Node<'_>);
}

impl Node<'_> {
    /// Goes on to the nodes inside of this one.
    pub(crate) fn inside(self, walk: &mut dyn Walk) {
        let steps = &mut Steps(walk);
        match self {
            Self::AssocType(node) => visit_mut::visit_assoc_type_mut(steps, node),
            Self::Attributes(nodes) => {
                for node in nodes {
                    visit_mut::visit_attribute_mut(steps, node);
                }
            }
            Self::Block(node) => visit_mut::visit_block_mut(steps, node),
            Self::Const(node) => visit_mut::visit_expr_const_mut(steps, node),
            Self::Expr(node) => visit_mut::visit_expr_mut(steps, node),
            Self::FnArguments(node) => {
                visit_mut::visit_parenthesized_generic_arguments_mut(steps, node);
            }
            Self::Ident(node) => visit_mut::visit_ident_mut(steps, node),
            Self::Item(node) => visit_mut::visit_item_mut(steps, node),
            Self::Lifetime(node) => visit_mut::visit_lifetime_mut(steps, node),
            Self::Macro(node) => visit_mut::visit_macro_mut(steps, node),
            Self::Pat(node) => visit_mut::visit_pat_mut(steps, node),
            Self::PatIdent(node) => visit_mut::visit_pat_ident_mut(steps, node),
            Self::Path(node) => visit_mut::visit_path_mut(steps, node),
            Self::Receiver(node) => visit_mut::visit_receiver_mut(steps, node),
            Self::Stmt(node) => visit_mut::visit_stmt_mut(steps, node),
            Self::Type(node) => visit_mut::visit_type_mut(steps, node),
        }
    }
}

/// Walks through statements.
pub(crate) fn stmts(stmts: &mut [Stmt], walk: &mut dyn Walk) {
    for stmt in stmts {
        walk.at(Node::Stmt(stmt));
    }
}

struct Steps<'a>(&'a mut dyn Walk);

impl VisitMut for Steps<'_> {
    fn visit_assoc_type_mut(&mut self, node: &mut AssocType) {
        self.0.at(Node::AssocType(node));
    }
    fn visit_attributes_mut(&mut self, nodes: &mut Vec<Attribute>) {
        self.0.at(Node::Attributes(nodes));
    }
    fn visit_block_mut(&mut self, node: &mut Block) {
        self.0.at(Node::Block(node));
    }
    fn visit_expr_const_mut(&mut self, node: &mut ExprConst) {
        self.0.at(Node::Const(node));
    }
    fn visit_expr_mut(&mut self, node: &mut Expr) {
        self.0.at(Node::Expr(node));
    }
    fn visit_ident_mut(&mut self, node: &mut Ident) {
        self.0.at(Node::Ident(node));
    }
    fn visit_item_mut(&mut self, node: &mut Item) {
        self.0.at(Node::Item(node));
    }
    fn visit_lifetime_mut(&mut self, node: &mut Lifetime) {
        self.0.at(Node::Lifetime(node));
    }
    fn visit_macro_mut(&mut self, node: &mut Macro) {
        self.0.at(Node::Macro(node));
    }
    fn visit_parenthesized_generic_arguments_mut(
        &mut self,
        node: &mut ParenthesizedGenericArguments,
    ) {
        self.0.at(Node::FnArguments(node));
    }
    fn visit_pat_mut(&mut self, node: &mut Pat) {
        self.0.at(Node::Pat(node));
    }
    fn visit_pat_ident_mut(&mut self, node: &mut PatIdent) {
        self.0.at(Node::PatIdent(node));
    }
    fn visit_path_mut(&mut self, node: &mut Path) {
        self.0.at(Node::Path(node));
    }
    fn visit_stmt_mut(&mut self, node: &mut Stmt) {
        self.0.at(Node::Stmt(node));
    }
    fn visit_type_mut(&mut self, node: &mut Type) {
        self.0.at(Node::Type(node));
    }
}
