//! One visitor for everything that reads or rewrites the syntax tree.
//!
//! A visitor of syn has some 350 methods, and rustc compiles all of them again for each type that
//! implements it. There is one such type here, and it calls a `dyn Visit`.

use proc_macro2::Ident;
use syn::visit_mut::{self, VisitMut};
use syn::{
    AssocType, Attribute, Block, Expr, ExprConst, Item, Lifetime, Macro,
    ParenthesizedGenericArguments, Pat, PatIdent, Path, Receiver, Stmt, Type,
};

/// A node of the syntax tree, of the kinds that some visitor handles.
pub(crate) enum Node<'a> {
    AssocType(&'a mut AssocType),
    Attributes(&'a mut Vec<Attribute>),
    Block(&'a mut Block),
    /// `const { .. }`, as an expression or as a pattern.
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

/// Visits the nodes of a syntax tree.
pub(crate) trait Visit {
    /// Handles a node. The nodes inside it are skipped, unless this calls
    /// `node.visit_children(self)`.
    fn visit_node(&mut self, node: Node<'_>);
}

impl Node<'_> {
    /// Visits the nodes inside this one.
    pub(crate) fn visit_children(self, visitor: &mut dyn Visit) {
        let adapter = &mut Adapter(visitor);
        match self {
            Self::AssocType(node) => visit_mut::visit_assoc_type_mut(adapter, node),
            Self::Attributes(nodes) => {
                for node in nodes {
                    visit_mut::visit_attribute_mut(adapter, node);
                }
            }
            Self::Block(node) => visit_mut::visit_block_mut(adapter, node),
            Self::Const(node) => visit_mut::visit_expr_const_mut(adapter, node),
            Self::Expr(node) => visit_mut::visit_expr_mut(adapter, node),
            Self::FnArguments(node) => {
                visit_mut::visit_parenthesized_generic_arguments_mut(adapter, node);
            }
            Self::Ident(node) => visit_mut::visit_ident_mut(adapter, node),
            Self::Item(node) => visit_mut::visit_item_mut(adapter, node),
            Self::Lifetime(node) => visit_mut::visit_lifetime_mut(adapter, node),
            Self::Macro(node) => visit_mut::visit_macro_mut(adapter, node),
            Self::Pat(node) => visit_mut::visit_pat_mut(adapter, node),
            Self::PatIdent(node) => visit_mut::visit_pat_ident_mut(adapter, node),
            Self::Path(node) => visit_mut::visit_path_mut(adapter, node),
            Self::Receiver(node) => visit_mut::visit_receiver_mut(adapter, node),
            Self::Stmt(node) => visit_mut::visit_stmt_mut(adapter, node),
            Self::Type(node) => visit_mut::visit_type_mut(adapter, node),
        }
    }
}

/// Visits statements.
pub(crate) fn visit_stmts(stmts: &mut [Stmt], visitor: &mut dyn Visit) {
    for stmt in stmts {
        visitor.visit_node(Node::Stmt(stmt));
    }
}

struct Adapter<'a>(&'a mut dyn Visit);

impl VisitMut for Adapter<'_> {
    fn visit_assoc_type_mut(&mut self, node: &mut AssocType) {
        self.0.visit_node(Node::AssocType(node));
    }
    fn visit_attributes_mut(&mut self, nodes: &mut Vec<Attribute>) {
        self.0.visit_node(Node::Attributes(nodes));
    }
    fn visit_block_mut(&mut self, node: &mut Block) {
        self.0.visit_node(Node::Block(node));
    }
    fn visit_expr_const_mut(&mut self, node: &mut ExprConst) {
        self.0.visit_node(Node::Const(node));
    }
    fn visit_expr_mut(&mut self, node: &mut Expr) {
        self.0.visit_node(Node::Expr(node));
    }
    fn visit_ident_mut(&mut self, node: &mut Ident) {
        self.0.visit_node(Node::Ident(node));
    }
    fn visit_item_mut(&mut self, node: &mut Item) {
        self.0.visit_node(Node::Item(node));
    }
    fn visit_lifetime_mut(&mut self, node: &mut Lifetime) {
        self.0.visit_node(Node::Lifetime(node));
    }
    fn visit_macro_mut(&mut self, node: &mut Macro) {
        self.0.visit_node(Node::Macro(node));
    }
    fn visit_parenthesized_generic_arguments_mut(
        &mut self,
        node: &mut ParenthesizedGenericArguments,
    ) {
        self.0.visit_node(Node::FnArguments(node));
    }
    fn visit_pat_mut(&mut self, node: &mut Pat) {
        self.0.visit_node(Node::Pat(node));
    }
    fn visit_pat_ident_mut(&mut self, node: &mut PatIdent) {
        self.0.visit_node(Node::PatIdent(node));
    }
    fn visit_path_mut(&mut self, node: &mut Path) {
        self.0.visit_node(Node::Path(node));
    }
    fn visit_stmt_mut(&mut self, node: &mut Stmt) {
        self.0.visit_node(Node::Stmt(node));
    }
    fn visit_type_mut(&mut self, node: &mut Type) {
        self.0.visit_node(Node::Type(node));
    }
}
