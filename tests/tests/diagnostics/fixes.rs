//! The changes that `cargo fix` and `cargo clippy --fix` offer.

use crate::harness::{Differs, Program, binary, check, no_other_fixes, programs, whole};

programs! {
    offers_no_other_parentheses says ["unused_parens", "unused_braces", "unused_parens", "dropping_copy_types"]: "
@guard
async fn start(@token
) -> Result<u32, Error> {
    let x = (fallible().await)?;
    if (fallible().await? == 1) { (drop(x)); }
    let y = { number().await };
    takes({ String::new() }).await;
    match (number().await) { _ => Ok(y) }
}
"
    offers_no_other_mut says ["unused_mut", "unused_mut", "unused_variables"]: "
@guard
async fn start(@token
    mut n: u32,
) -> Result<u32, Error> {
    let mut x = fallible().await?;
    let unused = fallible().await?;
    Ok(x + n)
}
"
}

/// `cargo clippy --fix` makes no change to a guarded function that it does not make to a plain one:
/// it cannot write into generated code, and must not write around it.
#[test]
fn clippy_offers_no_other_fixes() {
    let said = check("clippy", TO_FIX);
    for program in TO_FIX {
        let [plain, guarded] =
            [false, true].map(|is_guarded| &said[&binary(program.name, is_guarded)]);
        let errors = guarded.iter().find(|said| said.code.starts_with('E'));
        assert!(errors.is_none(), "{}:\n{}", program.name, whole(guarded));
        let offered = plain.iter().any(|said| !said.fixes.is_empty());
        assert!(offered, "{}: there is something to fix", program.name);
        no_other_fixes(plain, guarded);
    }
}

/// Code that clippy offers to change, with awaits and stores in it.
const TO_FIX: &[Program] = &[
    Program {
        name: "fix_awaits",
        says: &[],
        differs: Differs::Nothing,
        guard: "#[cancel_guarded]",
        text: "
#![warn(clippy::pedantic, clippy::nursery)]
@guard
async fn start(@token
) -> Result<u32, Error> {
    for _ in 0..1 { number().await; }
    let y = match fallible().await { Ok(v) => v, Err(e) => return Err(e) };
    let z = fallible().await.or_else(|e| Err(Error::from(e)))?;
    let w = { let r = fallible().await?; r };
    if let Some(x) = Some(fallible().await?) { drop(x); } else { () }
    while let Some(_) = None::<u32> { number().await; }
    let q = Box::pin(async { let z = fallible().await; z }).await?;
    let s = format!(\"{}\", fallible().await?);
    println!(\"{}\", s);
    let n = fallible().await?.clone();
    let k = (fallible().await?).min(n);
    let m = fallible().await.map(|x| x + 1).unwrap_or(0);
    let c = takes(String::from(\"x\").to_string()).await as u32;
    return Ok(y + z + w + q + k + m + c);
}
",
    },
    Program {
        name: "fix_stores",
        says: &[],
        differs: Differs::Nothing,
        guard: "#[cancel_guarded(state = self.state)]",
        text: "
#![warn(clippy::pedantic, clippy::nursery)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, cancel_guarded::State)]
enum Phase {
    #[state(initial, stopped)] Idle,
    #[state(starting)] Opening,
    Migrating,
    #[state(running)] Up,
    #[state(stopping)] Draining,
    #[state(failed)] Broken,
}
struct PlainCell;
impl PlainCell { fn store(&self, _: Phase) {} }
struct Database { state: @cell }
impl Database {
    @guard
    async fn start(&self, migrate: bool, @token
    ) -> Result<u32, Error> {
        let after = self.state.store(Phase::Migrating);
        let _ = after;
        if migrate {
            self.state.store(Phase::Migrating)
        }
        { self.state.store(Phase::Migrating) }
        let p = Phase::Migrating;
        self.state.store(p.clone());
        (self.state).store(Phase::Migrating.into());
        match 1 { 1 => { self.state.store(Phase::Migrating) } _ => () }
        if fallible().await? == 1 { (self.state.store(Phase::Migrating)); }
        let _r = self.state.store(Phase::Migrating);
        return Ok(number().await);
    }
}
",
    },
];
