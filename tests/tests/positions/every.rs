//! The positions that both editions have.

use std::cell::Cell;
use std::future::Future;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Mutex;

use cancel_guarded_tests::TestError;

use crate::harness::{Becomes, Point, Returns, Trace, add, increment, positions};

positions! {
    direct tail(t) { t.op("a", Ok(1)).await }
    direct tail_question(t) { Ok(t.ok("a", 1).await?) }
    direct tail_question_that_fails(t) {
        let _m = t.made("m", 1);
        Ok(t.op("a", Err(TestError::Own("no"))).await?)
    }
    direct tail_of_blocks(t) { { { t.op("a", Ok(1)).await } } }
    direct tail_if(t) {
        if t.op("a", true).await { t.op("b", Ok(1)).await } else { t.op("c", Ok(2)).await }
    }
    direct tail_match(t) {
        match t.op("a", 1).await {
            0 => t.op("b", Ok(1)).await,
            n => t.op("c", Ok(n)).await,
        }
    }
    direct tail_with_temporary(t) {
        let _m = t.made("local", 1);
        Ok(t.made("temporary", 2).next().await)
    }
    direct tail_with_temporary_behind(t) {
        let m = t.made("local", 1);
        Ok(add(&t.made("temporary", 2), m.next().await))
    }
    direct returned(t) { return t.op("a", Ok(1)).await; }
    direct returned_early(t) {
        let _m = t.made("m", 1);
        if t.op("a", true).await {
            return Ok(t.made("temporary", 2).next().await);
        }
        Ok(t.op("b", 3).await)
    }
    direct returned_in_an_expression(t) {
        let n: u32 = if t.op("a", false).await { 1 } else { return t.op("b", Ok(2)).await };
        Ok(n)
    }

    direct statement(t) {
        t.op("a", 1).await;
        t.made("m", 1).next().await;
        t.op("b", 1).await;
        Ok(1)
    }
    direct statement_question(t) {
        t.ok("a", ()).await?;
        t.made("m", 1).fine().await?;
        t.op("b", Err::<u32, _>(TestError::Own("no"))).await?;
        Ok(t.op("c", 1).await)
    }
    direct statement_without_semicolon(t) {
        if t.op("a", true).await { t.op("b", ()).await }
        match t.op("c", 1).await { _ => t.op("d", ()).await }
        { t.op("e", ()).await }
        let _m = t.made("m", 1);
        Ok(1)
    }
    direct statement_last(t) {
        { t.op("a", ()).await; }
        loop { t.op("b", ()).await; break }
        Ok(t.made("m", 1).value)
    }
    direct statement_discarded(t) {
        let _ = t.op("a", t.made("m", 1)).await;
        let _kept = t.op("b", t.made("kept", 1)).await;
        let _ = &t.op("c", t.made("extended", 1)).await;
        _ = t.op("d", t.made("assigned", 1)).await;
        Ok(t.op("e", 1).await)
    }
    direct statement_with_attributes(t) {
        #[allow(unused_variables)]
        let n = t.op("a", 1).await;
        #[cfg(any())]
        let n = no_such_function(t).await;
        #[cfg(any())]
        no_such_function(t).await;
        #[cfg(all())]
        t.op("b", 1).await;
        #[cfg(any())]
        tokio::join!(no_such_function(t));
        #[cfg(any())]
        return no_such_function(t).await;
        #[allow(clippy::let_and_return)]
        { t.op("c", 1).await; }
        Ok(n)
    }

    direct bound(t) { let n = t.op("a", 1).await; Ok(n) }
    direct bound_with_type(t) { let n: u32 = t.op("a", 1).await; Ok(n) }
    direct bound_by_type_of_the_binding(t) {
        let n: Vec<u32> = t.op("a", [1, 2].into_iter()).await.collect();
        let parsed: u32 = t.op("b", "3").await.parse().map_err(|_| TestError::Own("no"))?;
        Ok(n[0] + parsed)
    }
    direct bound_by_pattern(t) {
        let (a, Point { x, .. }) = (t.op("a", 1).await, t.op("b", Point { x: 2, y: 0 }).await);
        let [first, ref rest @ ..] = t.op("c", [3, 4, 5]).await;
        Ok(a + x + first + rest[1])
    }
    direct bound_later(t) {
        let n;
        if t.op("a", true).await { n = t.op("b", 1).await; } else { n = 2; }
        Ok(n)
    }
    direct bound_by_block(t) {
        let n = {
            let m = t.made("inner", 1);
            m.next().await + t.op("a", 1).await
        };
        Ok(n + t.op("b", 1).await)
    }
    direct bound_or_else(t) {
        let Some(n) = t.op("a", Some(1)).await else { return Ok(0) };
        Ok(n)
    }
    direct bound_or_else_waits(t) {
        let Some(n) = t.made("m", 1).none().await.copied() else {
            let _else = t.made("else", 1);
            return Ok(t.op("b", 2).await);
        };
        Ok(n)
    }

    direct extended_reference(t) {
        let m = &t.op("a", t.made("m", 1)).await;
        let next = m.next().await;
        Ok(next + m.value)
    }
    direct extended_mutable_reference(t) {
        let n = &mut t.op("a", 1).await;
        *n += t.op("b", 1).await;
        Ok(*n)
    }
    direct extended_field(t) {
        let x = &t.op("a", (t.made("m", 1), 2)).await.1;
        Ok(*x + t.op("b", 1).await)
    }
    direct extended_within_a_literal(t) {
        let point = (&t.op("a", t.made("m", 1)).await, [&t.op("b", 2).await]);
        Ok(point.0.next().await + *point.1[0])
    }
    direct extended_by_ref(t) {
        let ref m = t.op("a", t.made("m", 1)).await;
        Ok(m.next().await)
    }
    direct extended_slice(t) {
        let slice: &[u32] = &[t.op("a", 1).await, t.op("b", 2).await];
        Ok(t.op("c", slice).await.iter().sum())
    }
    direct extended_operand(t) {
        let m = &t.made("operand", 1);
        let n = m.next().await;
        Ok(n + m.next().await)
    }

    direct if_condition(t) {
        let m = t.made("m", 1);
        if t.made("condition", 1).next().await == 2 { Ok(m.next().await) } else { Ok(0) }
    }
    direct if_else_if(t) {
        let n = if t.op("a", false).await { 1 }
            else if t.op("b", true).await { t.op("c", 2).await }
            else { t.op("d", 3).await };
        Ok(n)
    }
    direct if_let_some(t) {
        if let Some(n) = t.made("m", 1).some().await { Ok(t.op("a", *n).await) } else { Ok(0) }
    }
    direct if_let_some_otherwise(t) {
        let _m = t.made("local", 1);
        if let Some(n) = t.made("m", 1).none().await {
            Ok(*n)
        } else {
            Ok(t.op("otherwise", 3).await)
        }
    }
    direct if_let_some_statement(t) {
        let mut sum = 0;
        if let Some(n) = t.made("m", 1).some().await { sum += t.op("a", *n).await; }
        if let Err(_) | Ok(0) = t.ok("b", 1).await { sum += 10; }
        Ok(sum)
    }

    direct match_scrutinee(t) {
        let n = match t.made("m", 1).next().await {
            1 => 0,
            n => t.op("a", n).await,
        };
        Ok(n)
    }
    direct match_scrutinee_borrows(t) {
        match t.made("m", 1).some().await {
            Some(&n) if n > 5 => Ok(n),
            Some(n) => Ok(t.op("a", *n).await),
            None => Err(TestError::Own("none")),
        }
    }
    direct match_guards(t) {
        match t.op("a", 3).await {
            n if t.op("b", n).await == 2 => Ok(0),
            n @ 1..=5 if t.op("c", true).await && n == 3 => Ok(t.op("d", n).await),
            _ => Ok(9),
        }
    }
    direct match_arms(t) {
        let mut sum = 0;
        for n in 0..3 {
            sum += match n {
                0 => t.op("a", 1).await,
                1 => { t.op("b", ()).await; continue }
                #[cfg(any())]
                2 => no_such_function(t).await,
                _ => return Ok(sum + t.op("c", 5).await),
            };
        }
        Ok(sum)
    }
    direct match_moves(t) {
        match t.op("a", Some(t.made("m", 1))).await {
            Some(m) => { let n = m.next().await; drop(m); Ok(n + t.op("b", 1).await) }
            None => Ok(0),
        }
    }

    direct while_condition(t) {
        let mut n = 0;
        while t.op("a", n).await < 2 { n += t.op("b", 1).await; }
        Ok(n)
    }
    direct while_let_scrutinee(t) {
        let mut left = vec![1, 2];
        let mut sum = 0;
        while let Some(n) = t.op("a", left.pop()).await { sum += t.op("b", n).await; }
        Ok(sum)
    }
    direct while_let_temporary(t) {
        let mut rounds = 0;
        while let Some(n) = t.made("m", 1).some().await {
            rounds += *n;
            if rounds == 2 { break; }
            t.op("a", ()).await;
        }
        Ok(rounds)
    }
    direct for_iterator(t) {
        let mut sum = 0;
        for n in t.op("a", vec![1, 2]).await { sum += n; }
        Ok(sum)
    }
    direct for_body(t) {
        let mut sum = 0;
        for n in [1, 2] { sum += t.made("m", n).next().await }
        Ok(sum)
    }
    direct for_range(t) {
        let mut sum = 0;
        for n in t.op("a", 1).await..=t.op("b", 2).await { sum += t.op("c", n).await; }
        Ok(sum)
    }
    direct loop_value(t) {
        let mut n = 0;
        let value = loop {
            n += t.op("a", 1).await;
            if n == 2 { break t.op("b", n).await; }
        };
        Ok(value)
    }
    direct loop_labelled(t) {
        let mut n = 0;
        let value = 'outer: loop {
            let _m = t.made("m", n);
            loop {
                n += t.op("a", 1).await;
                if n == 1 { continue 'outer; }
                if n == 3 { break 'outer t.op("b", n).await; }
            }
        };
        Ok(value)
    }
    direct block_labelled(t) {
        let value = 'block: {
            let m = t.made("m", 1);
            if t.op("a", true).await { break 'block m.next().await; }
            t.op("b", 0).await
        };
        Ok(value)
    }

    direct argument(t) { Ok(add(&t.op("a", 1).await, t.op("b", 2).await)) }
    direct argument_temporaries(t) {
        let n = add(&t.made("m", 1), t.op("a", 2).await);
        Ok(n + t.op("b", 1).await)
    }
    direct argument_of_a_method(t) {
        let mut values = vec![1];
        values.push(t.op("a", 2).await);
        values.extend([t.op("b", 3).await, t.op("c", 4).await]);
        Ok(values.iter().sum())
    }
    direct argument_of_a_closure(t) {
        let m = t.made("m", 1);
        let f = |n: u32| n + m.value;
        Ok(f(t.op("a", 1).await) + (|n: u32| n)(t.op("b", 1).await))
    }
    direct argument_behind_cfg(t) {
        let n = add(
            &t.op("a", 1).await,
            #[cfg(any())]
            no_such_function(t).await,
            #[cfg(all())]
            t.op("b", 2).await,
        );
        Ok(n)
    }
    direct two_phase_borrow(t) {
        let mut values = vec![5];
        values.push(t.op("a", values.len()).await);
        values.insert(values.len() - 1, t.op("b", values.len()).await);
        Ok(values.iter().map(|&n| u32::try_from(n).unwrap_or_default()).sum())
    }
    direct callee(t) {
        let add_one = t.op("a", |n: u32| n + 1).await;
        Ok(add_one(1) + t.op("b", |n: u32| n + 2).await(1))
    }
    direct method_chain(t) {
        let n = t.op("a", t.made("m", 1)).await.next().await.wrapping_add(t.op("b", 1).await);
        Ok(n)
    }
    direct question_chain(t) {
        let m = t.made("m", 1);
        let n = m.fine().await?.fine().await?.fine().await?.next().await;
        Ok(n)
    }
    direct question_in_arguments(t) {
        let n = add(&t.ok("a", 1).await?, t.ok("b", 2).await?);
        let m = add(&t.made("m", 1), t.op("c", Err(TestError::Own("no"))).await?);
        Ok(n + m)
    }
    direct awaited_in_the_operand(t) {
        Ok(t.op("c", t.op("b", t.op("a", 1).await + 1).await + 1).await)
    }

    direct array(t) { Ok([t.op("a", 1).await, t.op("b", 2).await].iter().sum()) }
    direct array_repeated(t) { Ok([t.op("a", 1).await; 3].iter().sum()) }
    direct tuple(t) {
        let (a, b) = (t.op("a", 1).await, t.made("m", 1).next().await);
        Ok((a + b, t.op("b", 1).await).0)
    }
    direct literal(t) {
        let point = Point { x: t.op("a", 1).await, y: t.op("b", 2).await };
        Ok(point.x + point.y)
    }
    direct literal_with_rest(t) {
        let point = Point { x: t.op("a", 1).await, ..t.op("b", Point { x: 0, y: 5 }).await };
        Ok(point.x + point.y)
    }
    direct constructor(t) { t.op("a", ()).await; Ok(Some(t.op("b", 1).await).unwrap_or(0)) }
    direct field_of(t) { Ok(t.op("a", Point { x: 1, y: 2 }).await.y + t.op("b", (3,)).await.0) }
    direct index_of(t) {
        let values = [1, 2, 3];
        Ok(values[t.op("a", 1).await] + t.op("b", [4, 5]).await[t.op("c", 0).await])
    }
    direct indexed_place(t) {
        let mut values = [1, 2];
        values[t.op("a", 0).await] = t.op("b", 5).await;
        values[t.op("c", 1).await] += t.op("d", 6).await;
        Ok(values[0] + values[1])
    }

    direct assigned(t) {
        let mut n = 0;
        let mut point = Point::default();
        let place = &mut n;
        *place = t.op("a", 1).await;
        point.x = t.op("b", 2).await;
        (point.y, _) = (t.op("c", 3).await, 0);
        Ok(*place + point.x + point.y)
    }
    direct assigned_over_a_value(t) {
        let mut m = t.made("first", 1);
        m.next().await;
        m = t.op("a", t.made("second", 2)).await;
        Ok(m.next().await)
    }
    direct compound_assigned(t) {
        let mut n = 8;
        n += t.op("a", 1).await;
        n <<= t.op("b", 1).await;
        n -= t.made("m", 1).next().await;
        let mut text = String::new();
        text += t.op("c", "abc").await;
        Ok(n + u32::try_from(text.len()).unwrap_or_default())
    }
    direct range(t) {
        let range = t.op("a", 1).await..t.op("b", 4).await;
        let from = t.op("c", 2).await..;
        let to = ..=t.op("d", 9).await;
        Ok(range.sum::<u32>() + from.start + to.end)
    }
    direct cast(t) { Ok(t.op("a", 3_u8).await as u32 + u32::from(t.op("b", 1_i64).await as u8)) }
    direct unary(t) {
        let yes = !t.op("a", false).await;
        let minus = -t.op("b", 1_i32).await;
        let boxed = *t.op("c", Box::new(3)).await;
        Ok(u32::from(yes) + minus.unsigned_abs() + boxed + **&t.op("d", &4).await)
    }
    direct binary(t) {
        Ok(t.op("a", 1).await + t.op("b", 2).await * t.op("c", 3).await - t.op("d", 1).await)
    }
    direct comparison(t) {
        Ok(u32::from(t.op("a", 1).await < t.op("b", 2).await && *t.made("m", 1) == t.op("c", 1).await))
    }
    direct short_circuit(t) {
        let yes = t.op("a", true).await || t.op("b", true).await;
        let no = t.op("c", false).await && t.op("d", true).await;
        Ok(u32::from(yes) + u32::from(no))
    }
    direct temporary_reference(t) {
        let length = t.op("a", &t.made("m", 1)).await.value;
        increment(t, &mut t.op("b", 1).await).await;
        Ok(length + t.op("c", 1).await)
    }
    direct borrowed_and_changed(t) {
        let mut n = 1;
        increment(t, &mut n).await;
        n += 1;
        let read = t.op("a", &n).await;
        let sum = *read + t.op("b", 1).await;
        n += sum;
        Ok(n)
    }
    direct moved_in_and_out(t) {
        let m = t.made("m", 1);
        let m = t.op("a", m).await;
        let (m, other) = t.op("b", (m, t.made("other", 2))).await;
        drop(other);
        Ok(m.next().await)
    }

    direct operand_variable(t) { let op = t.op("a", 1); Ok(op.await) }
    direct operand_field(t) {
        let ops = (t.op("a", 1), t.op("b", 2));
        Ok(ops.1.await + ops.0.await)
    }
    direct operand_if(t) {
        let first = t.op("a", true).await;
        let n = if first { t.op("b", 1) } else { t.op("c", 2) }.await;
        Ok(n + (if first { t.op("d", 1) } else { t.op("e", 2) }).await)
    }
    direct operand_match(t) { let n = match 1 { 0 => t.op("a", 1), _ => t.op("b", 2) }.await; Ok(n) }
    direct operand_block(t) {
        let n = { let _m = t.made("m", 1); t.op("a", 1) }.await;
        Ok(n)
    }
    direct operand_loop(t) { let n = loop { break t.op("a", 1) }.await; Ok(n) }
    direct operand_boxed(t) {
        let boxed: Pin<Box<dyn Future<Output = u32> + Send>> = Box::pin(t.op("a", 1));
        Ok(boxed.await)
    }
    direct operand_borrowed(t) {
        let mut op = t.op("a", 1);
        Ok((&mut op).await)
    }
    direct operand_pinned(t) {
        let mut op = pin!(t.op("a", 1));
        let n = op.as_mut().await;
        Ok(n + pin!(t.op("b", 1)).await)
    }
    direct operand_into_future(t) {
        t.op("a", ()).await;
        Ok(Becomes(1).await + Becomes(t.op("b", 1).await).await)
    }
    direct operand_of_a_macro(t) {
        macro_rules! make { ($t:ident, $value:expr) => { $t.op("made", $value) }; }
        Ok(make!(t, 1).await + make!(t, 2).await)
    }
    direct operand_of_a_closure(t) {
        let make = |n| t.op("a", n);
        Ok(make(1).await + (|| t.op("b", 1))().await)
    }
    direct operand_generic(t) { Ok(<Trace>::op::<u32>(t, "a", 1).await + Trace::op(t, "b", 1).await) }

    direct rc_in_the_value(t) {
        let rc = t.op("a", Rc::new(1)).await;
        Ok(*rc + t.op("b", 1).await)
    }
    direct rc_dropped_before(t) {
        let n = { let rc = Rc::new(1); *rc };
        Ok(t.op("a", n).await + *Rc::new(t.op("b", 1).await))
    }
    direct rc_as_temporary(t) {
        let n = t.op("a", *Rc::new(1)).await;
        Ok(n)
    }
    direct cell_borrowed(t) {
        let cell = Cell::new(1);
        let borrowed = &cell;
        borrowed.set(t.op("a", 2).await);
        Ok(cell.get())
    }
    direct lock_in_a_scrutinee(t) {
        let mutex = Mutex::new(1);
        let n = match *mutex.lock().expect("not poisoned") { n => { t.op("a", ()).await; n } };
        Ok(n)
    }
    direct lock_released(t) {
        let mutex = Mutex::new(1);
        let n = *mutex.lock().expect("not poisoned");
        t.op("a", ()).await;
        *mutex.lock().expect("not poisoned") += t.op("b", n).await;
        Ok(mutex.into_inner().expect("not poisoned"))
    }

    direct drops_in_order(t) {
        let _first = t.made("first", 1);
        let second = t.op("a", t.made("second", 2)).await;
        let _third = (t.made("third", 3), t.op("b", t.made("fourth", 4)).await);
        { let _inner = t.made("inner", 5); second.next().await; }
        drop(second);
        Ok(t.op("c", 1).await)
    }
    direct drops_unnamed_values(t) {
        t.op("a", t.made("value", 1)).await;
        t.op("b", (t.made("x", 1), t.made("y", 2))).await.0.next().await;
        Ok(t.op("c", t.made("tail", 1)).await.value)
    }
    direct shadows(t) {
        let n = t.op("a", 1).await;
        let n = t.op("b", n + 1).await;
        let t = (t, n);
        Ok(t.0.op("c", t.1).await)
    }

    nested async_block(t) {
        let n = async { t.op("a", 1).await + t.op("b", 1).await }.await;
        let block = async move { t.op("c", n).await };
        Ok(block.await)
    }
    nested async_block_question(t) {
        let n: Returns = async { Ok(t.ok("a", 1).await? + t.op("b", Err::<u32, _>(TestError::Own("no"))).await?) }.await;
        Ok(n.unwrap_or(5))
    }
    nested async_closure(t) {
        let close = async |n: u32| t.op("a", n).await + 1;
        Ok(close(1).await + close(2).await)
    }
    nested closure_with_async_block(t) {
        let close = |n: u32| async move { let _m = t.made("m", n); t.op("a", n).await };
        Ok(close(1).await)
    }
    nested function(t) {
        async fn inner(t: &Trace) -> u32 { t.op("a", 1).await + t.op("b", 1).await }
        struct Inner;
        impl Inner { async fn of(t: &Trace) -> u32 { inner(t).await } }
        Ok(inner(t).await + Inner::of(t).await)
    }
    nested joined(t) {
        tokio::join!(t.op("a", 1), async { t.op("b", 2).await });
        let (c, d) = tokio::join!(t.op("c", 3), t.op("d", 4));
        Ok(c + d)
    }
    nested tried(t) {
        tokio::try_join!(t.ok("a", 1), t.ok("b", 2))?;
        let (c, d) = tokio::try_join!(t.ok("c", 3), t.ok("d", 4))?;
        let e = tokio::try_join!(t.ok("e", 3), t.op("f", Err::<u32, _>(TestError::Own("no"))));
        Ok(c + d + u32::from(e.is_err()))
    }
    nested tried_in_the_tail(t) {
        let _m = t.made("m", 1);
        tokio::try_join!(t.ok("a", 1), t.ok("b", 2)).map(|(a, b)| a + b)
    }
    nested selected(t) {
        tokio::select! {
            biased;
            _ = t.op("a", 1) => {}
            _ = std::future::pending::<()>() => {}
        }
        let n = tokio::select! {
            biased;
            n = t.op("b", 2) => t.op("c", n).await,
            () = std::future::pending() => 0,
        };
        Ok(n)
    }
    nested selected_in_the_tail(t) {
        let mut op = pin!(t.op("a", 1));
        tokio::select! {
            biased;
            n = &mut op => { t.op("b", ()).await; Ok(n) }
            () = std::future::pending() => Err(TestError::Own("never")),
        }
    }
    nested selected_in_a_loop(t) {
        let mut rounds = 0;
        loop {
            tokio::select! {
                biased;
                _ = t.op("a", 1), if rounds < 2 => { rounds += 1; }
                else => break,
            }
        }
        Ok(rounds)
    }
    nested in_macros(t) {
        let text = format!("{}{}", t.op("a", 1).await, t.made("m", 1).next().await);
        assert_eq!(text, "12", "{}", t.op("b", "text").await);
        assert!(matches!(t.op("c", Some(1)).await, Some(1)));
        let values = vec![t.op("d", 1).await, t.op("e", 2).await];
        Ok(values[0])
    }
    nested in_a_macro_of_statements(t) {
        macro_rules! twice { ($($statement:tt)*) => { $($statement)* $($statement)* }; }
        let mut n = 0;
        twice! { n += t.op("a", 1).await; }
        Ok(n)
    }
}
