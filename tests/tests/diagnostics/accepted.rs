//! Code that compiles without a word.

use crate::harness::programs;

programs! {
    accepts_a_parenthesised_operand says []: "
@guard
async fn start(@token
) -> Result<u32, Error> {
    let mut future = Box::pin(number());
    let x = (&mut future).await;
    let boxed = || -> Box<dyn Future<Output = u32> + Unpin> { Box::new(Box::pin(number())) };
    let y = (boxed)().await;
    let z = (boxed()).await;
    (boxed()).await;
    Ok(x + y + z + (if x == y { boxed() } else { boxed() }).await)
}
"
    accepts_an_operand_that_is_a_block says []: "
@guard
async fn start(@token
) -> Result<u32, Error> {
    let x = { number() }.await;
    let y = async { 1 }.await;
    Ok(x + y)
}
"
    accepts_blocks says []: "
@guard
async fn start(@token
) -> Result<u32, Error> {
    { number().await; }
    {
        number().await
    };
    let x = { number().await };
    match x { _ => { number().await } };
    Ok(x)
}
"
    accepts_a_mutable_receiver_written_last says []: "
impl Service {
    @guard
    async fn start(mut self, @token
    ) -> Result<u32, Error> {
        let x = number().await;
        self.name = String::new();
        Ok(x)
    }
}
"
    accepts_a_pattern_that_borrows_as_mutable says []: "
@guard
async fn start(@token
    ref mut text: String,
    (ref mut n, _): (u32, u32),
) -> Result<u32, Error> {
    borrows(text).await;
    *n += number().await;
    Ok(*n)
}
"
    accepts_a_body_from_a_macro says []: "
macro_rules! written {
    ($body:block) => {
        @guard
        async fn start(@token
        ) -> Result<u32, Error> $body
    };
}
written!({ Ok(number().await) });
"
    accepts_a_path_that_is_longer_than_needed
    ["#[cancel_guarded(crate = crate::outer::inner::guard)]"] says []: "
mod outer { pub mod inner { #[allow(unused_imports)] pub use cancel_guarded as guard; } }
#[allow(unused_imports)]
use outer::inner;
@guard
async fn start(@token
) -> Result<u32, Error> {
    let x = number().await;
    Ok(x)
}
"
    accepts_a_body_without_end ["#[cancel_guarded(run)]"] says []: "
@guard
async fn start(@token
) -> Result<std::convert::Infallible, Error> {
    loop {
        number().await;
    }
}
"
    accepts_a_body_that_always_fails says []: "
@guard
async fn start(@token
) -> Result<u32, Error> {
    number().await;
    Err(Error)
}
"
    accepts_a_return_at_the_end says []: "
@guard
async fn start(@token
) -> Result<u32, Error> {
    loop {
        if number().await == 1 {
            return Ok(1);
        }
    }
}
"
    accepts_what_inference_finds_later says []: "
@guard
async fn start(@token
) -> Result<Vec<u8>, Error> {
    let mut v = Vec::new();
    let n = Default::default();
    std::future::ready(n).await;
    v.push(n);
    let text = \"1\".parse().map_err(|_| Error)?;
    v.push(text);
    Ok(v)
}
"
    accepts_shields says []: "
struct Lease { id: u32 }
@guard
async fn start(@token
) -> Result<u32, Error> {
    @shield
    number().await;
    @shield
    let mut x = number().await;
    @shield
    x += number().await;
    let mut lease = Lease { id: x };
    @shield
    lease.id = number().await;
    if lease.id == 2 { return Ok(2) }
    @shield
    fallible().await?;
    @shield
    { number().await; }
    @shield
    if x == 1 { number().await; }
    @shield
    fallible().await
}
"
    accepts_shields_on_what_leaves says []: "
@guard
async fn start(@token
) -> Result<u32, Error> {
    let x = loop {
        @shield
        break number().await;
    };
    if x == 1 {
        @shield
        return fallible().await;
    }
    @shield
    return fallible().await;
}
"
    accepts_what_is_forbidden says []: "
#[forbid(unused_variables, unused_mut, unused_assignments, unused_must_use, unreachable_code)]
mod strict {
    use super::*;
    @guard
    async fn start(_shutdown: CancellationToken) -> Result<u32, Error> {
        let mut n = number().await;
        @shield
        number().await;
        @shield
        { n += number().await; }
        if n == 2 {
            @shield
            return fallible().await;
        }
        println!(\"{}\", number().await);
        Ok(n)
    }
    @guard
    async fn with_a_mutable_parameter(mut n: u32, _shutdown: CancellationToken) -> Result<u32, Error> {
        n += number().await;
        Ok(n)
    }
    impl Service {
        @guard
        async fn by_mutable_value(mut self, _shutdown: CancellationToken) -> Result<u32, Error> {
            self.count = number().await;
            number().await;
            Ok(self.count)
        }
    }
}
"
    accepts_a_chain_of_starts says []: "
macro_rules! chain {
    ($last:ident) => {
        @guard
        async fn $last(shutdown: &CancellationToken) -> Result<u32, Error> {
            let _seen = shutdown.child_token();
            fallible().await
        }
    };
    ($name:ident $next:ident $($rest:ident)*) => {
        @guard
        async fn $name(shutdown: &CancellationToken) -> Result<u32, Error> {
            let n = $next(shutdown).await?;
            Ok(n + 1)
        }
        chain! { $next $($rest)* }
    };
}
chain! { f0 f1 f2 f3 f4 f5 f6 f7 f8 f9 }
fn is_sent(token: &CancellationToken) { send(f0(token)) }
"
}
