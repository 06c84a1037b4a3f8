//! Scores what a function does after an await that looks at no token.

use crate::index::{Index, Looks};
use crate::model::{Event, First, Function, Kind, Publication, SourceFile, Spawn, Wait};
use crate::words;

/// The mistake of a function: what it may do after its token is cancelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Publishes,
    Starts,
    Ends,
}

impl Verdict {
    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::Publishes => "publishes late",
            Self::Starts => "starts late",
            Self::Ends => "ends late",
        }
    }

    /// The verdict as the machine formats name it.
    pub(crate) fn id(self) -> &'static str {
        match self {
            Self::Publishes => "publishes-late",
            Self::Starts => "starts-late",
            Self::Ends => "ends-late",
        }
    }

    fn of(kind: &Kind) -> Self {
        match kind {
            Kind::Publish(_) => Self::Publishes,
            Kind::Spawn(_) | Kind::Bind | Kind::StartCall { .. } | Kind::Await { .. } => {
                Self::Starts
            }
            Kind::Look | Kind::Select { .. } => Self::Ends,
        }
    }
}

/// A function that may go on after its token is cancelled.
pub(crate) struct Finding<'a> {
    pub(crate) file: &'a SourceFile,
    pub(crate) function: &'a Function,
    /// The token as the function spells it.
    pub(crate) token: String,
    pub(crate) score: i64,
    pub(crate) verdict: Verdict,
    /// The await that no look follows, and what comes late, by index.
    pub(crate) awaits: usize,
    pub(crate) late: Vec<usize>,
    /// A call before the first of these was handed the token, and was not followed.
    pub(crate) is_followed: bool,
}

/// Something that comes late, with its points.
struct Late {
    index: usize,
    awaits: usize,
    points: i64,
    is_followed: bool,
}

/// Scores a function. Returns `None` if nothing in it comes late.
pub(crate) fn score<'a>(
    index: &Index<'_>,
    file: &'a SourceFile,
    function: &'a Function,
) -> Option<Finding<'a>> {
    let held = index.held_token(file, function);
    let token = match (&function.token, held) {
        (Some(token), _) => token.clone(),
        (None, Some(field)) => format!("self.{field}"),
        (None, None) => return None,
    };
    let mut late: Vec<Late> = Vec::new();
    for position in 0..function.events.len() {
        late.extend(late_event(index, file, function, position));
    }
    if late.is_empty() {
        late.extend(ends_late(function));
    }
    let best = late
        .iter()
        .max_by_key(|late| (late.points, std::cmp::Reverse(late.index)))?;
    let (best_points, awaits, is_followed) = (best.points, best.awaits, best.is_followed);
    let kind = &function.events.get(best.index)?.kind;
    let mut score = best_points + function_points(function);
    if index.is_raced(file, function) {
        score -= 40;
    }
    let others = late.iter().filter(|late| late.points > 15).count();
    score += 3 * i64::try_from(others.saturating_sub(1).min(4)).unwrap_or(0);
    let verdict = match kind {
        Kind::Await { .. } if best.index == awaits => Verdict::Ends,
        kind => Verdict::of(kind),
    };
    let mut steps: Vec<usize> = late
        .iter()
        .filter(|late| late.points > 0 && late.index > awaits)
        .map(|late| late.index)
        .collect();
    steps.truncate(5);
    Some(Finding {
        file,
        function,
        token,
        score: score.clamp(0, 100),
        verdict,
        awaits,
        late: steps,
        is_followed,
    })
}

/// The points that a function has by its name and its parameters.
fn function_points(function: &Function) -> i64 {
    let mut points = 0;
    if function.token.is_some() {
        points += 10;
    }
    if words::is_operation(&function.name) {
        points -= 30;
    } else if words::is_start(&function.name) {
        points += 10;
    }
    let looks = |event: &Event| matches!(event.kind, Kind::Look);
    if function.token.is_some() && !function.events.iter().any(looks) {
        points += 5;
    }
    points
}

fn late_event(
    index: &Index<'_>,
    file: &SourceFile,
    function: &Function,
    position: usize,
) -> Option<Late> {
    let event = function.events.get(position)?;
    let package = file.package.as_path();
    let (unchecked, is_followed) = index.unchecked(package, &function.events, event);
    let wait_of = |index: &usize| match function.events.get(*index).map(|event| &event.kind) {
        Some(Kind::Await { wait, .. }) => *wait,
        _ => Wait::Short,
    };
    // The longest of the awaits, the last of these.
    let awaits = unchecked
        .iter()
        .copied()
        .max_by_key(|index| (wait_of(index), *index))?;
    let mut points = match &event.kind {
        Kind::Publish(Publication::State) => 60,
        Kind::Publish(Publication::Signal) => 50,
        Kind::Spawn(spawn) => spawn_points(index, file, spawn)?,
        Kind::Bind => 30,
        Kind::StartCall { callee } => match index.looks_first(package, callee) {
            Looks::No if callee.name.starts_with("init") => 10,
            Looks::No => 25,
            Looks::Yes | Looks::NotFollowed => return None,
        },
        Kind::Await { callee, .. } => {
            let is_late = callee.is_call
                && words::is_start_call(&callee.name)
                && index.looks(package, callee) == Looks::No
                && !callee.takes_token;
            if !is_late {
                return None;
            }
            20
        }
        Kind::Look | Kind::Select { .. } => return None,
    };
    points += match wait_of(&awaits) {
        Wait::Short => -30,
        Wait::Unknown => 0,
        Wait::Long => 10,
    };
    if event.in_loop {
        points -= 20;
    }
    if event.task != 0 {
        points -= 10;
    }
    Some(Late {
        index: position,
        awaits,
        points,
        is_followed,
    })
}

/// A function that goes on after the cancellation, and neither starts nor publishes anything: it
/// never looks at its token, or its `select!` may choose another branch.
fn ends_late(function: &Function) -> Option<Late> {
    function.token.as_ref()?;
    let own = || {
        function
            .events
            .iter()
            .enumerate()
            .filter(|(_, event)| event.task == 0)
    };
    let is_used = |event: &Event| match &event.kind {
        Kind::Look | Kind::Spawn(_) => true,
        Kind::Await { callee, .. } | Kind::StartCall { callee } => callee.takes_token,
        _ => false,
    };
    let late = |index, points| Late {
        index,
        awaits: index,
        points,
        is_followed: true,
    };
    if !function.events.iter().any(is_used) {
        let mut awaits = own();
        return awaits
            .find(|(_, event)| {
                matches!(
                    event.kind,
                    Kind::Await {
                        wait: Wait::Long,
                        ..
                    }
                )
            })
            .map(|(index, _)| late(index, if function.mentions_token { 10 } else { 30 }));
    }
    let is_unbiased =
        |event: &Event| !event.in_loop && matches!(event.kind, Kind::Select { is_biased: false });
    own()
        .find(|(_, event)| is_unbiased(event))
        .map(|(index, _)| late(index, 15))
}

/// The points of a task that is spawned late; `None` if it does no harm.
fn spawn_points(index: &Index<'_>, file: &SourceFile, spawn: &Spawn) -> Option<i64> {
    if spawn.is_owned {
        return None;
    }
    let mut points = match &spawn.first {
        First::Look => return None,
        First::Call(callee) => match index.looks_first(&file.package, callee) {
            Looks::Yes => return None,
            Looks::NotFollowed => 20,
            Looks::No => 40,
        },
        First::Other => 35,
    };
    if spawn.is_joined {
        points -= 20;
    }
    Some(points)
}
