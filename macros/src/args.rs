//! The attribute's arguments, typed, each with the tokens that it was written in.

use proc_macro2::{Delimiter, Group, Ident, Span, TokenStream, TokenTree};
use quote::ToTokens as _;
use syn::ext::IdentExt as _;
use syn::parse::{ParseStream, Parser as _};
use syn::{Error, Expr, ExprLit, Lit, Path, Result, Token};

use crate::errors::{Errors, closest, join_with};
use crate::syntax::{as_variable, mentions, to_source};

/// The arguments of `#[cancel_guarded(...)]`.
#[derive(Default)]
pub(crate) struct Args {
    pub(crate) start: Option<Ident>,
    pub(crate) run: Option<Ident>,
    pub(crate) caller: Option<Ident>,
    pub(crate) token: Option<Expr>,
    pub(crate) state: Option<Expr>,
    pub(crate) restart: Option<Ident>,
    pub(crate) on_refused: Option<Expr>,
    pub(crate) shielded: Option<Ident>,
    pub(crate) krate: Option<Path>,
    /// The arguments that were written and could not be parsed. Their absence is not an error of
    /// its own.
    unparsed: Vec<String>,
}

/// Each accepted argument, and how it is written.
const ACCEPTED: [(&str, &str); 9] = [
    ("start", "start"),
    ("run", "run"),
    ("token", "token = EXPR"),
    ("caller", "caller = NAME"),
    ("state", "state = EXPR"),
    ("restart", "restart"),
    ("on_refused", "on_refused = FUNCTION"),
    ("shielded", "shielded"),
    ("crate", "crate = PATH"),
];

impl Args {
    /// Parses all arguments. One that cannot be parsed is reported and skipped up to the next comma,
    /// so that one error does not hide another.
    pub(crate) fn parse(tokens: TokenStream, errors: &mut Errors) -> Self {
        let mut args = Self::default();
        let parse = |input: ParseStream<'_>| {
            let mut seen = Vec::new();
            while !input.is_empty() {
                if let Err(error) = args.parse_one(input, &mut seen) {
                    errors.push(error);
                    skip_to_comma(input)?;
                }
                input.parse::<Option<Token![,]>>()?;
            }
            Ok(())
        };
        if let Err(error) = parse.parse2(tokens) {
            errors.push(error);
        }
        args
    }

    fn parse_one(&mut self, input: ParseStream<'_>, seen: &mut Vec<Ident>) -> Result<()> {
        if let Some(error) = missing_name(input) {
            self.unparsed
                .extend(["state".to_owned(), "token".to_owned()]);
            return Err(error);
        }
        let name = input.call(Ident::parse_any).map_err(|error| {
            Error::new(
                error.span(),
                format!("expected an argument; write {}", accepted()),
            )
        })?;
        if !ACCEPTED.iter().any(|(known, _)| name == known) {
            let suggestion = suggestion(&name, input.peek(Token![=]));
            self.unparsed.extend(suggestion.map(str::to_owned));
            return Err(unknown(&name, suggestion));
        }
        if seen.contains(&name) {
            return Err(Error::new(
                name.span(),
                format!("`{name}` is given twice; keep one of the two"),
            ));
        }
        seen.push(name.clone());
        self.value(input, &name)
            .inspect_err(|_| self.unparsed.push(name.to_string()))
    }

    fn value(&mut self, input: ParseStream<'_>, name: &Ident) -> Result<()> {
        match name.to_string().as_str() {
            "token" => self.token = Some(expression(input, name, "self.shutdown")?),
            "state" => self.state = Some(expression(input, name, "self.state")?),
            "on_refused" => {
                self.on_refused = Some(expression(input, name, "|refusal| Err(refusal.into())")?);
            }
            "caller" => self.caller = Some(variable(input, name)?),
            "start" => self.start = Some(flag(input, name)?),
            "run" => self.run = Some(flag(input, name)?),
            "restart" => self.restart = Some(flag(input, name)?),
            "shielded" => self.shielded = Some(flag(input, name)?),
            _ => self.krate = Some(path(input, name)?),
        }
        if input.is_empty() || input.peek(Token![,]) {
            Ok(())
        } else {
            Err(input.error("expected `,` between two arguments"))
        }
    }

    /// Whether the value of an argument mentions this variable.
    pub(crate) fn args_mention(&self, variable: &Ident) -> bool {
        [&self.token, &self.state, &self.on_refused]
            .into_iter()
            .flatten()
            .any(|value| mentions(value.to_token_stream(), variable))
    }

    /// Whether an argument was written and could not be parsed.
    pub(crate) fn is_unparsed(&self, name: &str) -> bool {
        self.unparsed.iter().any(|unparsed| unparsed == name)
    }
}

fn expression(input: ParseStream<'_>, name: &Ident, example: &str) -> Result<Expr> {
    equals(input, name, example)?;
    let place = place(input, name);
    let value: Expr = input.parse().map_err(|_| {
        Error::new(
            place,
            format!("`{name}` needs an expression; write it as in `{name} = {example}`"),
        )
    })?;
    if let Expr::Lit(ExprLit {
        lit: Lit::Str(text),
        ..
    }) = &value
    {
        let message = format!(
            "`{name}` is an expression, not a string; write `{name} = {}`",
            text.value()
        );
        return Err(Error::new(text.span(), message));
    }
    Ok(value)
}

// caller = NAME
fn variable(input: ParseStream<'_>, name: &Ident) -> Result<Ident> {
    let example = "shutdown_all";
    equals(input, name, example)?;
    let place = place(input, name);
    input.parse().map_err(|_| {
        Error::new(
            place,
            format!(
                "`{name}` needs a new name for the caller's token; \
                 write it as in `{name} = {example}`"
            ),
        )
    })
}

/// `crate = PATH`, of which `crate` has been parsed.
pub(crate) fn path(input: ParseStream<'_>, name: &Ident) -> Result<Path> {
    let example = "::my_crate::cancel_guarded";
    equals(input, name, example)?;
    if let Ok(text) = input.fork().parse::<syn::LitStr>() {
        let message = format!(
            "`{name}` is a path, not a string; write `{name} = {}`",
            text.value()
        );
        return Err(Error::new(text.span(), message));
    }
    let place = place(input, name);
    input.call(Path::parse_mod_style).map_err(|_| {
        Error::new(
            place,
            format!("`{name}` needs a path; write it as in `{name} = {example}`"),
        )
    })
}

/// Where the value of an argument begins, or its name if there is no value.
fn place(input: ParseStream<'_>, name: &Ident) -> Span {
    if input.is_empty() || input.peek(Token![,]) {
        name.span()
    } else {
        input.span()
    }
}

fn equals(input: ParseStream<'_>, name: &Ident, example: &str) -> Result<()> {
    if input.parse::<Option<Token![=]>>()?.is_some() {
        return Ok(());
    }
    let message = match input.fork().parse::<Group>() {
        Ok(group) if group.delimiter() == Delimiter::Parenthesis => format!(
            "`{name}` takes its value after a `=`; write `{name} = {}`",
            to_source(&group.stream())
        ),
        _ => format!("`{name}` needs a value; write it as in `{name} = {example}`"),
    };
    Err(Error::new(name.span(), message))
}

/// The error for a value without the name of its argument.
fn missing_name(input: ParseStream<'_>) -> Option<Error> {
    if input.peek(Ident::peek_any) && !input.peek(Token![self]) {
        return None;
    }
    let value: Expr = input.fork().parse().ok()?;
    if let Expr::Lit(_) | Expr::Assign(_) = value {
        return None;
    }
    let own = if as_variable(&value).is_some() {
        // It may be a parameter, in whose place the body sees its own token.
        ""
    } else {
        " (the body then takes its own token from the state's `token()`, which every stop cancels)"
    };
    let value = to_source(&value);
    Some(input.error(format!(
        "this does not say which argument it is; write `state = {value}` or `token = {value}`{own}"
    )))
}

fn flag(input: ParseStream<'_>, name: &Ident) -> Result<Ident> {
    if input.is_empty() || input.peek(Token![,]) {
        return Ok(name.clone());
    }
    Err(Error::new(
        name.span(),
        format!("`{name}` takes no value; write `{name}`, or leave it out"),
    ))
}

fn skip_to_comma(input: ParseStream<'_>) -> Result<()> {
    while !input.is_empty() && !input.peek(Token![,]) {
        input.parse::<TokenTree>()?;
    }
    Ok(())
}

fn unknown(name: &Ident, suggestion: Option<&str>) -> Error {
    let advice = match suggestion {
        Some(known) => format!("did you mean `{known}`? The arguments are {}", accepted()),
        None => format!("write {}", accepted()),
    };
    Error::new(
        name.span(),
        format!("`{name}` is not an argument; {advice}"),
    )
}

/// The argument that was probably meant: rather one with a value, if there is a value.
fn suggestion(name: &Ident, has_value: bool) -> Option<&'static str> {
    let name = name.to_string();
    let (alike, others): (Vec<_>, Vec<_>) = ACCEPTED
        .into_iter()
        .partition(|(_, form)| form.contains('=') == has_value);
    [alike, others].into_iter().find_map(|arguments| {
        let known: Vec<&str> = arguments.into_iter().map(|(known, _)| known).collect();
        closest(&name, &known)
    })
}

fn accepted() -> String {
    join_with(&ACCEPTED.map(|(_, form)| form), "or")
}
