//! `#[derive(State)]`: which variant plays which of the six roles.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens as _, quote, quote_spanned};
use syn::ext::IdentExt as _;
use syn::meta::ParseNestedMeta;
use syn::{Attribute, Data, DeriveInput, Error, Fields, Path, Result, Token, Variant};

use crate::args::nearest;
use crate::report::Report;

/// A role as the attribute spells it, and what a state in it means.
const ROLES: [(&str, &str); 6] = [
    ("initial", "nothing has begun"),
    ("starting", "a start is under way"),
    ("running", "the start has succeeded"),
    ("stopping", "the service was told to end"),
    ("stopped", "the service has ended"),
    (
        "failed",
        "the start or the service failed, and nothing of it is left",
    ),
];

/// Positions of variants are `u8`s.
const MOST: usize = 256;

/// `#[derive(State)] ITEM`
pub(crate) fn state(item: TokenStream) -> TokenStream {
    let input: DeriveInput = match syn::parse2(item) {
        Ok(input) => input,
        Err(error) => return error.into_compile_error(),
    };
    let mut report = Report::default();
    let states = check(&input, &mut report);
    match (report.finish(), states) {
        (Ok(()), Some(states)) => expand(&states),
        (Ok(()), None) => TokenStream::new(),
        (Err(errors), _) => {
            let errors = errors.into_compile_error();
            let stand_in = stand_in(&input);
            quote!(#errors #stand_in)
        }
    }
}

/// An enum that is a set of states.
struct States<'a> {
    name: &'a Ident,
    krate: TokenStream,
    variants: Vec<&'a Ident>,
    /// The variant of each role, in the order of [`ROLES`].
    cast: Vec<&'a Ident>,
}

/// A role that a variant claims, at the place where it does.
struct Claim<'a> {
    role: Ident,
    variant: &'a Ident,
}

fn check<'a>(input: &'a DeriveInput, report: &mut Report) -> Option<States<'a>> {
    let name = &input.ident;
    let data = match &input.data {
        Data::Enum(data) => data,
        Data::Struct(data) => {
            report.error(data.struct_token, not_an_enum(name));
            return None;
        }
        Data::Union(data) => {
            report.error(data.union_token, not_an_enum(name));
            return None;
        }
    };
    if let Some(param) = input.generics.params.first() {
        report.error(param, "a set of states has no parameters; remove them");
    }
    if let Some(extra) = data.variants.iter().nth(MOST) {
        report.error(
            extra,
            format!("a set of states has at most {MOST} variants; remove those from here on"),
        );
    }
    let krate = krate(&input.attrs, report);
    let mut claims = Vec::new();
    for variant in &data.variants {
        unit(variant, report);
        claims.extend(claimed(variant, report).into_iter().map(|role| Claim {
            role,
            variant: &variant.ident,
        }));
    }
    Some(States {
        name,
        krate,
        variants: data.variants.iter().map(|variant| &variant.ident).collect(),
        cast: cast(name, &claims, report),
    })
}

fn not_an_enum(name: &Ident) -> String {
    format!("states are the variants of an enum; make `{name}` one")
}

fn unit(variant: &Variant, report: &mut Report) {
    let fields = match &variant.fields {
        Fields::Unit => return,
        Fields::Named(fields) => fields.to_token_stream(),
        Fields::Unnamed(fields) => fields.to_token_stream(),
    };
    report.error(
        fields,
        format!(
            "a state carries no data; write `{}` alone, and keep its data beside the cell",
            variant.ident
        ),
    );
}

/// The runtime's path, from `#[state(crate = PATH)]` on the enum.
fn krate(attrs: &[Attribute], report: &mut Report) -> TokenStream {
    let mut krate: Option<Path> = None;
    each(attrs, report, |meta| {
        if !meta.path.is_ident("crate") {
            return Err(meta.error(match role_of(&meta.path) {
                Some(role) => format!(
                    "a role belongs to a variant; write `#[state({role})]` on the one that has it"
                ),
                None => "on the enum, `#[state(...)]` takes `crate = PATH`".to_owned(),
            }));
        }
        if krate.is_some() {
            return Err(meta.error("`crate` is given twice; keep one of the two"));
        }
        let path = meta.value()?.call(Path::parse_mod_style)?;
        krate = Some(path);
        Ok(())
    });
    krate.map_or_else(default_crate, |path| path.to_token_stream())
}

fn default_crate() -> TokenStream {
    quote_spanned!(Span::mixed_site()=> ::cancel_guarded)
}

/// The roles that a variant claims.
fn claimed(variant: &Variant, report: &mut Report) -> Vec<Ident> {
    let mut roles = Vec::new();
    each(&variant.attrs, report, |meta| {
        if let Some(role) = role_of(&meta.path) {
            if !meta.input.is_empty() && !meta.input.peek(Token![,]) {
                return Err(meta.error(format!("a role takes no value; write `{role}`")));
            }
            roles.push(role);
            return Ok(());
        }
        if meta.path.is_ident("crate") {
            return Err(meta.error("`crate = PATH` belongs on the enum; move it there"));
        }
        let written = meta.path.to_token_stream().to_string();
        let known = ROLES.map(|(role, _)| role);
        Err(meta.error(match nearest(&written, &known) {
            Some(role) => format!("`{written}` is not a role; did you mean `{role}`?"),
            None => format!("`{written}` is not a role; the roles are {}", list(&known)),
        }))
    });
    roles
}

fn role_of(path: &Path) -> Option<Ident> {
    path.get_ident()
        .filter(|ident| ROLES.iter().any(|(role, _)| ident == role))
        .cloned()
}

/// Goes through all that `#[state(...)]` attributes say.
fn each(
    attrs: &[Attribute],
    report: &mut Report,
    mut read: impl FnMut(&ParseNestedMeta<'_>) -> Result<()>,
) {
    for attr in attrs.iter().filter(|attr| attr.path().is_ident("state")) {
        let parsed = attr.parse_nested_meta(|meta| {
            if let Err(error) = read(&meta) {
                report.push(error);
                while !meta.input.is_empty() && !meta.input.peek(Token![,]) {
                    meta.input.parse::<proc_macro2::TokenTree>()?;
                }
            }
            Ok(())
        });
        if let Err(error) = parsed {
            report.push(error);
        }
    }
}

/// Gives each role to the one variant that claims it.
fn cast<'a>(name: &Ident, claims: &[Claim<'a>], report: &mut Report) -> Vec<&'a Ident> {
    let mut cast = Vec::new();
    let mut missing = Vec::new();
    for (role, _) in ROLES {
        let mut of_role = claims.iter().filter(|claim| claim.role == role);
        match of_role.next() {
            Some(claim) => cast.push(claim.variant),
            None => missing.push(role),
        }
        for second in of_role {
            let first = cast.last().map(ToString::to_string).unwrap_or_default();
            let message = if second.variant == &first {
                format!("`{first}` is `{role}` already; say it once")
            } else {
                format!("`{role}` is `{first}` already; one variant has it, remove it from one")
            };
            report.push(Error::new(second.role.span(), message));
        }
    }
    if !missing.is_empty() {
        let form = format!("#[state({})]", missing.join(", "));
        let message = match missing.as_slice() {
            [role] => format!("no variant is `{role}`; write `{form}` on the one that is"),
            roles => format!(
                "no variant is {}; write `{form}` on those that are, \
                 one variant may have several roles",
                list(roles)
            ),
        };
        report.error(name, message);
    }
    cast
}

fn list(words: &[&str]) -> String {
    let quoted: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
    match quoted.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, rest)) => format!("{} or {last}", rest.join(", ")),
        None => String::new(),
    }
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
    let States {
        name,
        krate,
        variants,
        cast,
    } = states;
    let constants = constants();
    let indices = 0..=u8::MAX;
    let names = variants.iter().map(|variant| variant.unraw().to_string());
    let docs = docs(states);
    quote_spanned! {Span::mixed_site()=>
        #(#[doc = #docs])*
        #[automatically_derived]
        impl #krate::State for #name {
            #(const #constants: Self = Self::#cast;)*
            const VARIANTS: &'static [Self] = &[#(Self::#variants),*];

            fn index(self) -> ::core::primitive::u8 {
                match self { #(Self::#variants => #indices,)* }
            }

            fn name(self) -> &'static ::core::primitive::str {
                match self { #(Self::#variants => #names,)* }
            }
        }
    }
}

/// An impl that compiles, so that an error in the enum stays the only one: where the states are
/// used, nobody needs to hear that they are none.
fn stand_in(input: &DeriveInput) -> Option<TokenStream> {
    let Data::Enum(data) = &input.data else {
        return None;
    };
    // The bounds of the trait would ask things of the parameters.
    if !input.generics.params.is_empty() {
        return None;
    }
    let is_unit = |variant: &&Variant| matches!(variant.fields, Fields::Unit);
    let any = &data.variants.iter().find(is_unit)?.ident;
    let krate = krate(&input.attrs, &mut Report::default());
    let name = &input.ident;
    let constants = constants();
    Some(quote_spanned! {Span::mixed_site()=>
        #[automatically_derived]
        impl #krate::State for #name {
            #(const #constants: Self = Self::#any;)*
            const VARIANTS: &'static [Self] = &[Self::#any];

            fn index(self) -> ::core::primitive::u8 { 0 }
            fn name(self) -> &'static ::core::primitive::str { "" }
        }
    })
}

fn constants() -> [Ident; ROLES.len()] {
    ROLES.map(|(role, _)| Ident::new(&role.to_uppercase(), Span::mixed_site()))
}

/// A table of the states, for whoever reads the documentation of the enum.
fn docs(states: &States<'_>) -> Vec<String> {
    let mut lines = vec![
        String::new(),
        " | state | role | meaning |".to_owned(),
        " |---|---|---|".to_owned(),
    ];
    lines.extend(states.variants.iter().map(|&variant| {
        let played = || {
            let roles = ROLES.iter().zip(&states.cast);
            roles
                .filter(|(_, of)| **of == variant)
                .map(|(role, _)| role)
        };
        let roles: Vec<String> = played().map(|(role, _)| format!("`{role}`")).collect();
        let meanings: Vec<&str> = played().map(|(_, meaning)| *meaning).collect();
        let (roles, meanings) = match roles.as_slice() {
            [] => ("–".to_owned(), "a step of the service's own".to_owned()),
            roles => (roles.join(", "), meanings.join("; ")),
        };
        format!(" | `{}` | {roles} | {meanings} |", variant.unraw())
    }));
    lines
}
