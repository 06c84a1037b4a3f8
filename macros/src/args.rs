//! What the attribute may say, typed, each value with the tokens it was written in.

use proc_macro2::{Delimiter, Group, Ident, Span, TokenStream, TokenTree};
use quote::{ToTokens, quote_spanned};
use syn::ext::IdentExt as _;
use syn::parse::{ParseStream, Parser as _};
use syn::{Error, Expr, ExprLit, Lit, Path, Result, Token};

use crate::docs::spelled;
use crate::guarded_fn::mentions;
use crate::report::{Report, listed};

/// The arguments of `#[cancel_guarded(...)]`.
#[derive(Default)]
pub(crate) struct Args {
    pub(crate) token: Option<Expr>,
    pub(crate) state: Option<Expr>,
    pub(crate) restart: Option<Ident>,
    pub(crate) on_refused: Option<Expr>,
    pub(crate) shielded: Option<Ident>,
    pub(crate) krate: Option<Path>,
    /// The arguments that were meant and could not be read. What follows from their absence is not
    /// a mistake of its own.
    unread: Vec<String>,
}

/// Each accepted argument, and how it is written.
const ACCEPTED: [(&str, &str); 6] = [
    ("token", "token = EXPR"),
    ("state", "state = EXPR"),
    ("restart", "restart"),
    ("on_refused", "on_refused = FUNCTION"),
    ("shielded", "shielded"),
    ("crate", "crate = PATH"),
];

impl Args {
    /// Reads all arguments. What cannot be read is reported and skipped up to the next comma, so
    /// that one mistake does not hide another.
    pub(crate) fn parse(tokens: TokenStream, report: &mut Report) -> Self {
        let mut args = Self::default();
        let read = |input: ParseStream<'_>| {
            let mut seen = Vec::new();
            while !input.is_empty() {
                if let Err(error) = args.parse_one(input, &mut seen) {
                    report.push(error);
                    skip_to_comma(input)?;
                }
                input.parse::<Option<Token![,]>>()?;
            }
            Ok(())
        };
        if let Err(error) = read.parse2(tokens) {
            report.push(error);
        }
        args
    }

    fn parse_one(&mut self, input: ParseStream<'_>, seen: &mut Vec<Ident>) -> Result<()> {
        if let Some(error) = nameless(input) {
            self.unread.extend(["state".to_owned(), "token".to_owned()]);
            return Err(error);
        }
        let name = input.call(Ident::parse_any).map_err(|error| {
            Error::new(
                error.span(),
                format!("expected an argument; write {}", accepted()),
            )
        })?;
        if !ACCEPTED.iter().any(|(known, _)| name == known) {
            let meant = nearest(&name.to_string(), &ACCEPTED.map(|(known, _)| known));
            self.unread.extend(meant.map(str::to_owned));
            return Err(unknown(&name, meant));
        }
        if seen.contains(&name) {
            return Err(Error::new(
                name.span(),
                format!("`{name}` is given twice; keep one of the two"),
            ));
        }
        seen.push(name.clone());
        self.value(input, &name)
            .inspect_err(|_| self.unread.push(name.to_string()))
    }

    fn value(&mut self, input: ParseStream<'_>, name: &Ident) -> Result<()> {
        match name.to_string().as_str() {
            "token" => self.token = Some(expression(input, name, "self.shutdown")?),
            "state" => self.state = Some(expression(input, name, "self.state")?),
            "on_refused" => {
                self.on_refused = Some(expression(input, name, "|refusal| Err(refusal.into())")?);
            }
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
    pub(crate) fn mention(&self, variable: &Ident) -> bool {
        [&self.token, &self.state, &self.on_refused]
            .into_iter()
            .flatten()
            .any(|value| mentions(value.to_token_stream(), variable))
    }

    /// Whether an argument was meant and could not be read.
    pub(crate) fn is_unread(&self, name: &str) -> bool {
        self.unread.iter().any(|unread| unread == name)
    }

    pub(crate) fn runtime(&self) -> Runtime {
        Runtime(self.krate.clone())
    }
}

/// Where the generated code finds the runtime.
pub(crate) struct Runtime(Option<Path>);

impl Runtime {
    /// The path of its interface for generated code, as it would be written at this place. A path
    /// that the user gave is resolved where they wrote it, so that `$crate` works.
    pub(crate) fn private(&self, place: Span) -> TokenStream {
        let Some(path) = &self.0 else {
            return quote_spanned!(place=> ::cancel_guarded::__private);
        };
        let path: TokenStream = path
            .to_token_stream()
            .into_iter()
            .map(|mut tree| {
                tree.set_span(place.resolved_at(tree.span()));
                tree
            })
            .collect();
        // rustc looks for unnecessary qualifications in what comes from the user alone.
        let private = Ident::new("__private", Span::mixed_site().located_at(place));
        quote_spanned!(place=> #path::#private)
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

/// `crate = PATH`, of which `crate` has been read.
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

/// Where the value of an argument begins, or its name if there is none.
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
            "`{name}` takes its value behind a `=`; write `{name} = {}`",
            spelled(&group.stream())
        ),
        _ => format!("`{name}` needs a value; write it as in `{name} = {example}`"),
    };
    Err(Error::new(name.span(), message))
}

/// The error for a value without the name of its argument.
fn nameless(input: ParseStream<'_>) -> Option<Error> {
    if input.peek(Ident::peek_any) && !input.peek(Token![self]) {
        return None;
    }
    let value: Expr = input.fork().parse().ok()?;
    if let Expr::Lit(_) | Expr::Assign(_) = value {
        return None;
    }
    let value = spelled(&value);
    Some(input.error(format!(
        "this does not say what it is; write `state = {value}` or `token = {value}`"
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

fn unknown(name: &Ident, meant: Option<&str>) -> Error {
    let advice = match meant {
        Some(known) => format!("did you mean `{known}`? The arguments are {}", accepted()),
        None => format!("write {}", accepted()),
    };
    Error::new(
        name.span(),
        format!("`{name}` is not an argument; {advice}"),
    )
}

fn accepted() -> String {
    listed(&ACCEPTED.map(|(_, form)| form), "or")
}

/// The word that was probably meant, if any is near.
pub(crate) fn nearest<'a>(written: &str, words: &[&'a str]) -> Option<&'a str> {
    words
        .iter()
        .map(|word| (edit_distance(written, word), *word))
        .min()
        .filter(|(distance, word)| {
            distance * 3 <= word.len() || written.len() > 2 && word.starts_with(written)
        })
        .map(|(_, word)| word)
}

/// How many letters to insert, delete or replace to make one word of the other.
fn edit_distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.chars().count()).collect();
    for (i, letter) in a.chars().enumerate() {
        let mut left = i + 1;
        let mut next = vec![left];
        for ((other, diagonal), above) in b.chars().zip(&row).zip(row.iter().skip(1)) {
            left = (diagonal + usize::from(letter != other))
                .min(left + 1)
                .min(above + 1);
            next.push(left);
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}
