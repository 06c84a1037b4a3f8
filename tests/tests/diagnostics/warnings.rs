//! Warnings of the user's code.

use crate::harness::programs;

programs! {
    warns_of_an_unused_local says ["unused_variables"]: "
@guard
async fn start(@token
) -> Result<u32, Error> {
    let x = number().await;
    Ok(1)
}
"
    warns_of_an_unused_parameter says ["unused_variables"]: "
@guard
async fn start(@token
    n: u32,
) -> Result<u32, Error> {
    Ok(number().await)
}
"
    warns_of_an_unused_reference says ["unused_variables"]: "
@guard
async fn start(@token
    n: &u32,
) -> Result<u32, Error> {
    Ok(number().await)
}
"
    warns_of_an_unused_mutable_parameter says ["unused_mut", "unused_variables"]: "
@guard
async fn start(@token
    mut n: u32,
) -> Result<u32, Error> {
    Ok(number().await)
}
"
    warns_of_an_unused_part_of_a_pattern says ["unused_variables"]: "
@guard
async fn start(@token
    (a, b): (u32, u32),
) -> Result<u32, Error> {
    number().await;
    Ok(a)
}
"
    warns_of_an_unused_part_of_a_pattern_with_rest says ["unused_variables"]: "
@guard
async fn start(@token
    (a, b, ..): (u32, u32, u32),
) -> Result<u32, Error> {
    number().await;
    Ok(a)
}
"
    warns_of_an_unused_field_of_a_pattern says ["unused_variables"]: "
struct Point { x: u32, y: u32 }
@guard
async fn start(@token
    Point { x, y }: Point,
) -> Result<u32, Error> {
    number().await;
    Ok(x)
}
"
    warns_of_an_unused_mut_of_a_parameter says ["unused_mut"]: "
@guard
async fn start(@token
    mut n: u32,
) -> Result<u32, Error> {
    Ok(number().await + n)
}
"
    warns_of_an_unused_mut_in_a_pattern says ["unused_mut"]: "
@guard
async fn start(@token
    (mut a, b): (u32, u32),
) -> Result<u32, Error> {
    Ok(number().await + a + b)
}
"
    warns_of_an_unused_mut_of_a_receiver says ["unused_mut"]: "
impl Service {
    @guard
    async fn start(mut self, @token
    ) -> Result<u32, Error> {
        Ok(number().await + self.count)
    }
}
"
    warns_of_an_unused_mut_of_a_local says ["unused_mut"]: "
@guard
async fn start(@token
) -> Result<u32, Error> {
    let mut x = number().await;
    Ok(x)
}
"
    warns_of_an_unused_assignment says ["unused_assignments"]: "
@guard
async fn start(@token
) -> Result<u32, Error> {
    let mut x = 0;
    x = number().await;
    Ok(x)
}
"
    warns_of_an_unused_assignment_to_a_parameter says ["unused_assignments"]: "
@guard
async fn start(@token
    mut n: u32,
) -> Result<u32, Error> {
    let x = n;
    n = 5;
    n = number().await;
    Ok(n + x)
}
"
    warns_of_an_unused_result says ["unused_must_use"]: "
@guard
async fn start(@token
) -> Result<u32, Error> {
    fallible().await;
    Ok(1)
}
"
    warns_of_an_unused_result_at_the_end_of_a_block says ["unused_must_use"]: "
@guard
async fn start(@token
) -> Result<u32, Error> {
    if number().await == 1 {
        fallible().await;
    }
    Ok(1)
}
"
    warns_of_an_unused_result_at_the_end says ["unused_must_use"]: "
@guard
async fn start(@token
) {
    fallible().await;
}
"
    warns_of_an_unused_future says ["unused_must_use"]: "
@guard
async fn start(@token
) -> Result<u32, Error> {
    number();
    Ok(1)
}
"
    warns_of_a_dear_value_that_is_not_awaited says ["unused_must_use", "unused_must_use"]: "
@guard
async fn start(@token
) -> Result<u32, Error> {
    dear();
    Ok(1)
}
"
    a_dear_value_that_is_awaited says ["unused_must_use"] but Unheard: "
@guard
async fn start(@token
) -> Result<u32, Error> {
    dear().await;
    Ok(1)
}
"
    warns_of_a_deprecated_function says ["deprecated"]: "
@guard
async fn start(@token
) -> Result<u32, Error> {
    let x = old().await;
    Ok(x)
}
"
    warns_of_what_cannot_be_reached says ["unreachable_code"]: "
@guard
async fn start(@token
) -> Result<u32, Error> {
    return Ok(number().await);
    number().await;
}
"
    warns_of_what_is_behind_a_panic says ["unreachable_code"]: "
@guard
async fn start(@token
) -> Result<u32, Error> {
    panic!();
    let x = number().await;
    Ok(x)
}
"
    warns_of_an_unreachable_pattern says ["unreachable_patterns"]: "
@guard
async fn start(@token
) -> Result<u32, Error> {
    match number().await {
        x => Ok(x),
        _ => Ok(1),
    }
}
"
    warns_of_unused_parentheses says ["unused_parens", "unused_parens"]: "
@guard
async fn start(@token
) -> Result<u32, Error> {
    let x = (number().await);
    if (x == number().await) { return Ok(1) }
    Ok(x)
}
"
    warns_of_an_unused_import_within says ["unused_imports"]: "
@guard
async fn start(@token
) -> Result<u32, Error> {
    use std::collections::HashMap;
    Ok(number().await)
}
"
    warns_of_a_variable_unused_in_a_closure says ["unused_variables"]: "
@guard
async fn start(@token
) -> Result<u32, Error> {
    let f = |x: u32| 1;
    number().await;
    Ok(f(1))
}
"
    warns_of_names_that_are_not_snake_case says ["non_snake_case"]: "
@guard
async fn start(@token
    Camel: u32,
) -> Result<u32, Error> {
    Ok(number().await + Camel)
}
"
    warns_of_nothing_new_in_a_body_to_be_written says ["unused_variables"]: "
@guard
async fn start(@token
    n: u32,
) -> Result<u32, Error> {
    todo!()
}
"
    warns_of_an_unused_result_under_a_shield says ["unused_must_use"]: "
@guard
async fn start(@token
) -> Result<u32, Error> {
    @shield
    fallible().await;
    number().await;
    Ok(1)
}
"
    warns_of_an_unused_local_under_a_shield says ["unused_variables"]: "
@guard
async fn start(@token
) -> Result<u32, Error> {
    @shield
    let x = number().await;
    Ok(1)
}
"
    warns_of_what_is_unused_in_a_sync_start says ["unused_mut", "unused_variables", "unused_must_use"]: "
fn failing() -> Result<u32, Error> { Ok(1) }
@guard
fn start(@token
    mut n: u32,
) -> Result<u32, Error> {
    let x = 1;
    failing();
    Ok(n)
}
"
}
