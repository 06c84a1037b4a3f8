//! Errors of the user's.

use crate::harness::programs;

programs! {
    the_type_of_a_binding says ["E0308"]: "
@guard
async fn start(@token
) -> Result<(), Error> {
    let x: u8 = number().await;
    let _ = x;
    Ok(())
}
"
    the_type_of_a_binding_of_an_awaited_method says ["E0308"]: "
impl Service {
    async fn number(&self) -> u32 { self.count }
    @guard
    async fn start(&self, @token
    ) -> Result<(), Error> {
        let x: String = self.number().await;
        drop(x);
        Ok(())
    }
}
"
    an_error_that_does_not_convert says ["E0277"]: "
@guard
async fn start(@token
) -> Result<(), Error> {
    strange().await?;
    let _x = 1;
    Ok(())
}
"
    a_bound_error_that_does_not_convert says ["E0277"]: "
@guard
async fn start(@token
) -> Result<u32, Error> {
    let x = strange().await?;
    Ok(x)
}
"
    a_missing_ok says ["E0308"]: "
@guard
async fn start(@token
) -> Result<(), Error> {
    let x = fallible().await?;
    drop(x);
}
"
    a_missing_ok_behind_an_await says ["E0308"]: "
@guard
async fn start(@token
) -> Result<(), Error> {
    number().await;
}
"
    a_missing_ok_behind_a_question says ["E0308"]: "
@guard
async fn start(@token
) -> Result<(), Error> {
    fallible().await?;
}
"
    a_missing_ok_in_a_method says ["E0308"]: "
impl Service {
    @guard
    async fn start(&self, @token
    ) -> Result<(), Error> {
        if self.count > 0 {
            fallible().await?;
        }
    }
}
"
    an_empty_body says ["E0308"]: "
@guard
async fn start(@token
) -> Result<(), Error> {}
"
    a_tail_of_another_type says ["E0308"]: "
@guard
async fn start(@token
) -> Result<u32, Error> {
    number().await
}
"
    a_tail_of_another_result says ["E0308"]: "
@guard
async fn start(@token
) -> Result<u32, Error> {
    strange().await
}
"
    a_tail_that_is_a_literal says ["E0308"]: "
@guard
async fn start(@token
) -> Result<u32, Error> {
    number().await;
    5
}
"
    a_value_within_ok_of_another_type says ["E0308"]: "
@guard
async fn start(@token
) -> Result<u8, Error> {
    Ok(number().await)
}
"
    a_returned_value_of_another_type says ["E0308", "E0308"]: "
@guard
async fn start(@token
) -> Result<u32, Error> {
    if number().await == 1 {
        return 5;
    }
    return fallible().await?;
}
"
    a_value_where_none_is_returned says ["E0308"]: "
@guard
async fn start(@token
) {
    number().await
}
"
    an_unknown_variable says ["E0425"]: "
@guard
async fn start(@token
) -> Result<u32, Error> {
    Ok(takes(nothing).await)
}
"
    an_unknown_future says ["E0425"]: "
@guard
async fn start(@token
) -> Result<u32, Error> {
    nothing().await;
    Ok(1)
}
"
    an_unknown_method says ["E0599"]: "
@guard
async fn start(@token
) -> Result<u32, Error> {
    let x = number().await.nothing().await;
    Ok(x)
}
"
    an_unknown_type_to_return says ["E0425"]: "
@guard
async fn start(@token
) -> Result<Nothing, Error> {
    Ok(number().await)
}
"
    an_unknown_type_of_a_parameter says ["E0425"]: "
@guard
async fn start(@token
    _n: Nothing,
) -> Result<u32, Error> {
    Ok(number().await)
}
"
    too_many_arguments says ["E0061"]: "
@guard
async fn start(@token
) -> Result<u32, Error> {
    Ok(number(1).await)
}
"
    an_argument_of_another_type says ["E0308"]: "
@guard
async fn start(@token
) -> Result<u32, Error> {
    Ok(takes(5).await)
}
"
    a_type_that_nothing_tells says ["E0282"]: "
@guard
async fn start(@token
) -> Result<u32, Error> {
    let mut v = Vec::new();
    number().await;
    v.clear();
    Ok(1)
}
"
    no_future says ["E0277"] but Note: "
@guard
async fn start(@token
) -> Result<u32, Error> {
    Ok(no_future().await)
}
"
    no_future_in_a_statement says ["E0277"] but Note: "
@guard
async fn start(@token
) -> Result<u32, Error> {
    no_future().await;
    Ok(1)
}
"
    no_future_in_a_binding says ["E0277"] but Note: "
@guard
async fn start(@token
) -> Result<u32, Error> {
    let x = 5.await;
    Ok(x)
}
"
    a_result_that_is_awaited_and_no_future says ["E0277"] but Note: "
@guard
async fn start(@token
) -> Result<u32, Error> {
    let file = std::fs::read(\"x\").await;
    drop(file);
    Ok(1)
}
"
    a_forgotten_await says ["E0277"]: "
@guard
async fn start(@token
) -> Result<u32, Error> {
    let x = fallible()?;
    Ok(x)
}
"
    a_use_after_a_move_into_an_await says ["E0382"]: "
@guard
async fn start(@token
) -> Result<u32, Error> {
    let text = String::new();
    takes(text).await;
    Ok(takes(text).await)
}
"
    a_parameter_used_after_a_move says ["E0382"]: "
@guard
async fn start(@token
    text: String,
) -> Result<u32, Error> {
    takes(text).await;
    Ok(takes(text).await)
}
"
    a_parameter_moved_in_a_loop ["#[cancel_guarded(start)]"] says ["E0382"]: "
@guard
async fn start(@token
    text: String,
) -> Result<u32, Error> {
    loop {
        takes(text).await;
    }
}
"
    a_field_moved_out_of_a_borrow says ["E0507"] but Label: "
impl Service {
    @guard
    async fn start(&self, @token
    ) -> Result<u32, Error> {
        Ok(takes(self.name).await)
    }
}
"
    a_borrow_across_an_await says ["E0499"]: "
@guard
async fn start(@token
) -> Result<u32, Error> {
    let mut text = String::new();
    let first = &mut text;
    borrows(&mut text).await;
    first.push('!');
    Ok(1)
}
"
    two_borrows_in_a_binding says ["E0502"]: "
@guard
async fn start(@token
) -> Result<u32, Error> {
    let mut text = String::new();
    let first = &text;
    let x = borrows(&mut text).await;
    drop((first, x));
    Ok(1)
}
"
    a_borrow_that_ends_too_soon says ["E0597"]: "
@guard
async fn start(@token
) -> Result<u32, Error> {
    let outer;
    {
        let inner = takes(String::new()).await;
        outer = &inner;
    }
    Ok(*outer)
}
"
    a_temporary_that_ends_too_soon says ["E0716"]: "
@guard
async fn start(@token
) -> Result<u32, Error> {
    let text: &str = std::future::ready(String::new()).await.as_str();
    number().await;
    Ok(u32::from(text.is_empty()))
}
"
    a_reference_to_a_local_returned says ["E0515"]: "
@guard
async fn start(@token
) -> Result<&'static str, Error> {
    let text = String::new();
    number().await;
    Ok(&text)
}
"
    a_reference_to_a_parameter_returned says ["E0515"]: "
@guard
async fn start(@token
    text: String,
) -> Result<&'static str, Error> {
    number().await;
    Ok(&text)
}
"
    a_second_assignment says ["E0384"]: "
@guard
async fn start(@token
) -> Result<u32, Error> {
    let x = number().await;
    x += number().await;
    Ok(x)
}
"
    a_parameter_that_is_not_mutable says ["E0384"]: "
@guard
async fn start(@token
    n: u32,
) -> Result<u32, Error> {
    n += number().await;
    Ok(n)
}
"
    a_parameter_borrowed_as_mutable says ["E0596"]: "
@guard
async fn start(@token
    text: String,
) -> Result<u32, Error> {
    borrows(&mut text).await;
    Ok(1)
}
"
    a_receiver_that_is_not_mutable says ["E0594"] but Label: "
impl Service {
    @guard
    async fn start(&self, @token
    ) -> Result<u32, Error> {
        self.count = number().await;
        Ok(1)
    }
}
"
    a_receiver_by_value_that_is_not_mutable says ["E0594"] but Label: "
impl Service {
    @guard
    async fn start(self, @token
    ) -> Result<u32, Error> {
        self.count = number().await;
        Ok(1)
    }
}
"
    a_receiver_borrowed_twice says ["E0502"]: "
impl Service {
    @guard
    async fn start(&mut self, @token
    ) -> Result<u32, Error> {
        let name = &self.name;
        borrows(&mut self.name).await;
        drop(name.clone());
        Ok(1)
    }
}
"
    a_missing_lifetime says ["E0106"]: "
@guard
async fn start(@token
    _a: &str,
    _b: &str,
) -> Result<&str, Error> {
    number().await;
    Ok(\"\")
}
"
    a_lifetime_that_is_too_short says ["-"]: "
@guard
async fn start<'a, 'b>(@token
    _a: &'a str,
    b: &'b str,
) -> Result<&'a str, Error> {
    number().await;
    Ok(b)
}
"
    a_future_that_is_not_send says ["-"]: "
@guard
async fn start(@token
) -> Result<u32, Error> {
    let rc = std::rc::Rc::new(1);
    number().await;
    Ok(*rc)
}
fn is_sent() { send(start(CancellationToken::new())) }
"
    a_future_whose_operand_is_not_send says ["-"]: "
async fn of_rc(_: std::rc::Rc<u32>) -> u32 { number().await }
@guard
async fn start(@token
) -> Result<u32, Error> {
    let x = of_rc(std::rc::Rc::new(1)).await;
    Ok(x)
}
fn is_sent() { send(start(CancellationToken::new())) }
"
    a_half_typed_line says ["-", "E0425", "E0599", "E0308"]: "
@guard
async fn start(@token
) -> Result<u32, Error> {
    let x = number().
    Ok(x)
}
"
    a_half_typed_match says ["-"]: "
@guard
async fn start(@token
) -> Result<u32, Error> {
    match number().await {
        1 =>
    }
    Ok(1)
}
"
    the_type_of_a_shielded_binding says ["E0308"]: "
@guard
async fn start(@token
) -> Result<u32, Error> {
    @shield
    let x: u8 = number().await;
    Ok(x.into())
}
"
    a_tail_of_another_type_in_a_sync_start says ["E0308"]: "
@guard
fn start(@token
) -> Result<u32, Error> {
    5
}
"
    an_error_that_does_not_convert_in_a_sync_start says ["E0277"]: "
fn strangely() -> Result<u32, Stranger> { Ok(1) }
impl Service {
    @guard
    fn start(&self, @token
    ) -> Result<u32, Error> {
        let x = strangely()?;
        Ok(x + self.count)
    }
}
"
    a_receiver_that_is_not_mutable_in_a_sync_start says ["E0594"] but Label: "
impl Service {
    @guard
    fn start(&self, @token
    ) -> Result<u32, Error> {
        self.count = 1;
        Ok(1)
    }
}
"
    a_use_after_a_move_in_a_sync_start says ["E0382"]: "
@guard
fn start(@token
    text: String,
) -> Result<u32, Error> {
    drop(text);
    drop(text);
    Ok(1)
}
"
    the_type_of_a_binding_in_a_run ["#[cancel_guarded(run)]"] says ["E0308"]: "
@guard
async fn serve(@token
) -> Result<(), Error> {
    let x: u8 = number().await;
    let _ = x;
    Ok(())
}
"
    a_use_after_a_move_in_a_run ["#[cancel_guarded(run, state = cell)]"] says ["E0382"]: "
@guard
async fn serve(@token
    cell: &StateCell,
    text: String,
) -> Result<u32, Error> {
    let _ = cell;
    takes(text).await;
    Ok(takes(text).await)
}
"
    a_stream_that_is_not_unpin says ["E0277", "E0277"] but Note: "
struct Stream(std::marker::PhantomPinned);
struct Next<'a, S>(&'a mut S);
impl<S: Unpin> Future for Next<'_, S> {
    type Output = Option<u32>;
    fn poll(self: std::pin::Pin<&mut Self>, _: &mut std::task::Context<'_>) -> std::task::Poll<Option<u32>> {
        std::task::Poll::Ready(None)
    }
}
trait StreamExt: Sized { fn next(&mut self) -> Next<'_, Self> where Self: Unpin { Next(self) } }
impl StreamExt for Stream {}
@guard
async fn start(@token
) -> Result<u32, Error> {
    let mut stream = Stream(std::marker::PhantomPinned);
    let mut n = 0;
    while let Some(x) = stream.next().await { n += x; }
    Ok(n)
}
"
    a_boxed_future_that_is_not_unpin says ["E0277"] but Note: "
@guard
async fn start(@token
) -> Result<u32, Error> {
    let boxed: Box<dyn Future<Output = u32>> = Box::new(number());
    let x = boxed.await;
    Ok(x)
}
"
}
