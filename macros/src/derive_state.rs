//! `#[derive(State)]`: which variant plays which of the six roles.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::ext::IdentExt as _;
use syn::meta::ParseNestedMeta;
use syn::{Attribute, Error, Fields, Item, ItemEnum, Meta, Path, Result, Token, Variant};

use crate::args;
use crate::errors::{Errors, closest, join, join_with, quoted};
use crate::syntax::span_ends;

/// A role as the attribute spells it, and what a state in it means.
const ROLES: [(&str, &str); 6] = [
    ("initial", "nothing has begun"),
    ("starting", "a start is under way"),
    ("running", "the start has succeeded"),
    ("stopping", "the service was told to end"),
    ("stopped", "the service has ended"),
    (
        "failed",
        "the start or the service failed, and no part of it is left",
    ),
];

/// Positions of variants are `u8`s.
const MOST: usize = 256;

/// `#[derive(State)] ITEM`
pub(crate) fn state(item: TokenStream) -> TokenStream {
    let input = match syn::parse2(item) {
        Ok(Item::Enum(input)) => input,
        Ok(Item::Struct(input)) => return not_an_enum(&input.struct_token, &input.ident),
        Ok(Item::Union(input)) => return not_an_enum(&input.union_token, &input.ident),
        // rustc derives nothing for anything else.
        Ok(_) => return TokenStream::new(),
        Err(error) => return error.into_compile_error(),
    };
    let mut errors = Errors::default();
    let states = check(&input, &mut errors);
    match errors.into_result() {
        Ok(()) => expand(&states),
        Err(errors) => {
            let errors = errors.into_compile_error();
            let fallback_impl = fallback_impl(&input);
            quote!(#errors #fallback_impl)
        }
    }
}

/// An enum that is a set of states.
struct States<'a> {
    name: &'a Ident,
    krate: TokenStream,
    variants: Vec<&'a Ident>,
    /// The variant of each role, in the order of [`ROLES`].
    variant_of_role: Vec<&'a Ident>,
}

/// A role that a variant claims.
struct RoleAttr<'a> {
    role: &'static str,
    /// Where it does.
    place: Span,
    variant: &'a Ident,
    /// Whether it is only what a mistake probably means: then it keeps the role from being
    /// reported as missing, and no more.
    guessed: bool,
}

fn not_an_enum(keyword: &dyn ToTokens, name: &Ident) -> TokenStream {
    let message = format!("states are the variants of an enum; make `{name}` one");
    Error::new_spanned(keyword, message).into_compile_error()
}

fn check<'a>(input: &'a ItemEnum, errors: &mut Errors) -> States<'a> {
    let name = &input.ident;
    if let Some(param) = input.generics.params.first() {
        errors.at(param, "a set of states has no parameters; remove them");
    }
    if let Some(extra) = input.variants.iter().nth(MOST) {
        errors.at(
            extra,
            format!("a set of states has at most {MOST} variants; remove those from here on"),
        );
    }
    let krate = krate(&input.attrs, errors);
    let mut claims = Vec::new();
    for variant in &input.variants {
        check_unit(variant, errors);
        claims.extend(parse_roles(variant, errors));
    }
    States {
        name,
        krate,
        variants: input
            .variants
            .iter()
            .map(|variant| &variant.ident)
            .collect(),
        variant_of_role: assign_roles(name, &claims, errors),
    }
}

fn check_unit(variant: &Variant, errors: &mut Errors) {
    let fields = match &variant.fields {
        Fields::Unit => return,
        Fields::Named(fields) => fields.to_token_stream(),
        Fields::Unnamed(fields) => fields.to_token_stream(),
    };
    errors.at(
        &fields,
        format!(
            "a state carries no data; write `{}` alone, and keep its data beside the cell",
            variant.ident
        ),
    );
}

/// The runtime's path, from `#[state(crate = PATH)]` on the enum.
fn krate(attrs: &[Attribute], errors: &mut Errors) -> TokenStream {
    const TAKES: &str = "on the enum, `#[state(...)]` takes `crate = PATH`";
    for attr in attrs.iter().filter(|attr| is_state(attr)) {
        if attr.meta.require_list().is_err() {
            errors.at(attr, TAKES);
        }
    }
    let mut krate: Option<Path> = None;
    for_each_meta(attrs, errors, &mut |meta| {
        if !meta.path.is_ident("crate") {
            return Err(meta.error(match role_of(&meta.path) {
                Some(role) => format!(
                    "a role belongs to a variant; write `#[state({role})]` on the one that has it"
                ),
                None => TAKES.to_owned(),
            }));
        }
        if krate.is_some() {
            return Err(meta.error("`crate` is given twice; keep one of the two"));
        }
        if let Some(name) = meta.path.get_ident() {
            krate = Some(args::path(meta.input, name)?);
        }
        Ok(())
    });
    krate.map_or_else(default_crate, |path| path.to_token_stream())
}

fn default_crate() -> TokenStream {
    quote_spanned!(Span::mixed_site()=> ::cancel_guarded)
}

/// The roles that a variant claims.
fn parse_roles<'a>(variant: &'a Variant, errors: &mut Errors) -> Vec<RoleAttr<'a>> {
    let mut claims = Vec::new();
    let mut claim = |role, place, guessed| {
        claims.push(RoleAttr {
            role,
            place,
            variant: &variant.ident,
            guessed,
        });
    };
    for attr in variant.attrs.iter().filter(|attr| is_state(attr)) {
        if let Err((error, role)) = in_parentheses(attr) {
            claim(role, attr.pound_token.span, true);
            errors.push(error);
        }
    }
    for_each_meta(&variant.attrs, errors, &mut |meta| {
        let place = span_ends(&meta.path).0;
        if let Some(role) = role_of(&meta.path) {
            let has_value = !meta.input.is_empty() && !meta.input.peek(Token![,]);
            claim(role, place, has_value);
            return if has_value {
                Err(meta.error(format!("a role takes no value; write `{role}`")))
            } else {
                Ok(())
            };
        }
        if meta.path.is_ident("crate") {
            return Err(meta.error("`crate = PATH` belongs on the enum; move it there"));
        }
        let written = meta.path.to_token_stream().to_string();
        let known = ROLES.map(|(role, _)| role);
        Err(meta.error(match closest(&written, &known) {
            Some(role) => {
                claim(role, place, true);
                format!("`{written}` is not a role; did you mean `{role}`?")
            }
            None => format!(
                "`{written}` is not a role; the roles are {}, \
                 and a step of the service's own has no `#[state(..)]`",
                join_with(&known, "and")
            ),
        }))
    });
    claims
}

/// The error for `#[state]` and for `#[state = "running"]`, and the role that was probably meant.
fn in_parentheses(attr: &Attribute) -> std::result::Result<(), (Error, &'static str)> {
    let value = match &attr.meta {
        Meta::List(list) if !list.tokens.is_empty() => return Ok(()),
        Meta::NameValue(value) => value.value.to_token_stream().to_string(),
        _ => String::new(),
    };
    let known = ROLES.map(|(role, _)| role);
    let (advice, role) = match closest(value.trim_matches('"'), &known) {
        Some(role) => (format!("write `#[state({role})]`"), role),
        None => (
            "write `#[state(running)]` if this variant is that, \
             or remove it from a step of the service's own"
                .to_owned(),
            "",
        ),
    };
    let message = format!("a variant's roles stand in parentheses; {advice}");
    Err((Error::new_spanned(attr, message), role))
}

fn is_state(attr: &Attribute) -> bool {
    attr.path().is_ident("state")
}

fn role_of(path: &Path) -> Option<&'static str> {
    let mut roles = ROLES.iter().map(|(role, _)| *role);
    roles.find(|role| path.is_ident(role))
}

/// Goes through all that `#[state(...)]` attributes say.
fn for_each_meta(
    attrs: &[Attribute],
    errors: &mut Errors,
    read: &mut dyn FnMut(&ParseNestedMeta<'_>) -> Result<()>,
) {
    for attr in attrs.iter().filter(|attr| is_state(attr)) {
        if attr.meta.require_list().is_err() {
            continue;
        }
        let parsed = attr.parse_nested_meta(|meta| {
            if let Err(error) = read(&meta) {
                errors.push(error);
                while !meta.input.is_empty() && !meta.input.peek(Token![,]) {
                    meta.input.parse::<proc_macro2::TokenTree>()?;
                }
            }
            Ok(())
        });
        if let Err(error) = parsed {
            errors.push(error);
        }
    }
}

/// The variant that is `running` has no other role: a state is up, or it is not.
fn check_running(claims: &[RoleAttr<'_>], errors: &mut Errors) {
    for running in claims
        .iter()
        .filter(|claim| claim.role == "running" && !claim.guessed)
    {
        let others = claims.iter().filter(|claim| {
            claim.variant == running.variant && claim.role != "running" && !claim.role.is_empty()
        });
        // A role that belongs to another variant has been reported.
        let is_its_own = |claim: &&RoleAttr<'_>| {
            let mut of_role = claims.iter().filter(|other| other.role == claim.role);
            of_role
                .next()
                .is_some_and(|first| first.variant == claim.variant)
        };
        let mut others = others.filter(|claim| !claim.guessed).filter(is_its_own);
        if let Some(other) = others.next() {
            let message = format!(
                "`{0}` is `running`, and a service that is up has no other role; \
                 give `{1}` to another variant",
                running.variant, other.role
            );
            errors.push(Error::new(other.place, message));
        }
    }
}

/// Gives each role to the one variant that claims it.
fn assign_roles<'a>(name: &Ident, claims: &[RoleAttr<'a>], errors: &mut Errors) -> Vec<&'a Ident> {
    let mut variant_of_role = Vec::new();
    let mut missing = Vec::new();
    for (role, _) in ROLES {
        let mut of_role = claims.iter().filter(|claim| claim.role == role);
        let Some(first) = of_role.next() else {
            missing.push(role);
            continue;
        };
        variant_of_role.push(first.variant);
        let first = first.variant;
        for second in of_role.filter(|claim| !claim.guessed) {
            let message = if second.variant == first {
                format!("`{first}` is `{role}` already; say it once")
            } else {
                format!(
                    "`{first}` is `{role}` already, and a role belongs to one variant; \
                     remove it from one of the two"
                )
            };
            errors.push(Error::new(second.place, message));
        }
    }
    check_running(claims, errors);
    if !missing.is_empty() {
        let form = format!("#[state({})]", join(&missing, ", "));
        let message = match missing.as_slice() {
            [role] => format!("no variant is `{role}`; write `{form}` on the one that is"),
            roles => format!(
                "no variant is {}; write `{form}` on those that are, \
                 one variant may have several roles",
                join_with(roles, "or")
            ),
        };
        errors.at(name, message);
    }
    variant_of_role
}

// Input:
//     #[derive(State)]
//     enum Phase { #[state(initial)] New, #[state(starting)] Opening, .. }
//
// Output:
//     impl ::cancel_guarded::State for Phase {
//         const INITIAL: Self = Self::New;
//         const STARTING: Self = Self::Opening;
//         ..
//         const VARIANTS: &'static [Self] = &[Self::New, Self::Opening, ..];
//
//         fn index(self) -> u8 { match self { Self::New => 0u8, Self::Opening => 1u8, .. } }
//         fn name(self) -> &'static str { match self { Self::New => "New", .. } }
//     }
fn expand(states: &States<'_>) -> TokenStream {
    let span = Span::mixed_site();
    let variants = &states.variants;
    let indices = 0..=u8::MAX;
    let names = variants.iter().map(|variant| variant.unraw().to_string());
    let implementation = implementation(
        states,
        &quote_spanned!(span=> match self { #(Self::#variants => #indices,)* }),
        &quote_spanned!(span=> match self { #(Self::#variants => #names,)* }),
    );
    let docs = docs(states);
    quote_spanned!(span=> #(#[doc = #docs])* #implementation)
}

fn implementation(states: &States<'_>, index: &TokenStream, name_of: &TokenStream) -> TokenStream {
    let States {
        name,
        krate,
        variants,
        variant_of_role,
    } = states;
    let constants = ROLES.map(|(role, _)| Ident::new(&role.to_uppercase(), Span::mixed_site()));
    quote_spanned! {Span::mixed_site()=>
        #[automatically_derived]
        impl #krate::State for #name {
            #(const #constants: Self = Self::#variant_of_role;)*
            const VARIANTS: &'static [Self] = &[#(Self::#variants),*];

            fn index(self) -> ::core::primitive::u8 { #index }
            fn name(self) -> &'static ::core::primitive::str { #name_of }
        }
    }
}

/// An impl that compiles, so that an error in the enum stays the only one: where the states are
/// used, no second error says that they are none.
fn fallback_impl(input: &ItemEnum) -> Option<TokenStream> {
    // The bounds of the trait would ask things of the parameters.
    if !input.generics.params.is_empty() {
        return None;
    }
    let is_unit = |variant: &&Variant| matches!(variant.fields, Fields::Unit);
    let any = &input.variants.iter().find(is_unit)?.ident;
    let states = States {
        name: &input.ident,
        krate: krate(&input.attrs, &mut Errors::default()),
        variants: vec![any],
        variant_of_role: vec![any; ROLES.len()],
    };
    let span = Span::mixed_site();
    let index = quote_spanned!(span=> 0);
    let name = quote_spanned!(span=> "");
    Some(implementation(&states, &index, &name))
}

/// A table of the states, for the documentation of the enum.
fn docs(states: &States<'_>) -> Vec<String> {
    let mut lines = vec![
        String::new(),
        " | state | role | meaning |".to_owned(),
        " |---|---|---|".to_owned(),
    ];
    for variant in &states.variants {
        let mut roles = Vec::new();
        let mut meanings = Vec::new();
        for ((role, meaning), of) in ROLES.iter().zip(&states.variant_of_role) {
            if of == variant {
                roles.push(*role);
                meanings.push(*meaning);
            }
        }
        let (roles, meanings) = match roles.as_slice() {
            [] => ("–".to_owned(), "a step of the service's own".to_owned()),
            roles => (quoted(roles), join(&meanings, "; ")),
        };
        lines.push(format!(" | `{}` | {roles} | {meanings} |", variant.unraw()));
    }
    lines
}
