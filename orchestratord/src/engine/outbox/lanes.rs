//! Which effects are made at the same time. Pure.
//!
//! ```text
//!                    ┌─ looks ────┐
//!  outbox (due) ─────┼─ bases ────┼──▶ a lane per project and kind, each with room of its own
//!   the longest      ├─ results ──┤
//!   due one first    ├─ writes ───┤
//!                    ├─ comments ─┤    one at a time
//!                    └─ notes ────┘
//! ```
//!
//! What is slow in one lane holds nothing back in another: writes at a forge are a second apart, and
//! a hundred comments that wait for their turn must not keep one new issue from being looked at.
//! A comment is begun only when it is next. Until then what it has to say may change, and it is still
//! written once.

use std::collections::HashMap;

use cloud_code_domain::id::ProjectName;
use cloud_code_domain::time::Timestamp;

use super::super::effect::{Effect, EffectRecord};
use super::super::world::World;

/// What the effects of a lane wait for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Kind {
    /// Reads at a tracker.
    Looks,
    /// What an execution starts from.
    Bases,
    /// An agent that sends its result, and the checks of it.
    Results,
    /// Writes at a code host that the work waits for.
    Writes,
    /// Writes that nothing waits for.
    Comments,
    /// The `notify_command`.
    Notes,
}

impl Kind {
    fn of(effect: &Effect) -> Self {
        match effect {
            Effect::Inspect { .. } => Self::Looks,
            Effect::Prepare { .. } => Self::Bases,
            Effect::Bring { .. } | Effect::Publish { .. } => Self::Results,
            Effect::OpenPullRequest { .. } | Effect::Merge { .. } | Effect::Close { .. } => {
                Self::Writes
            }
            Effect::Comment { .. } => Self::Comments,
            Effect::NotifyTask { .. } | Effect::NotifyRequest { .. } => Self::Notes,
        }
    }

    /// How many are made at once.
    fn room(self) -> usize {
        match self {
            // As many as wait for a base share a fetch.
            Self::Looks | Self::Bases => 32,
            Self::Results => 16,
            Self::Writes | Self::Notes => 4,
            Self::Comments => 1,
        }
    }
}

/// A project, where the effect's task is known, and what it waits for.
type Lane = (Option<ProjectName>, Kind);

/// What is being made.
#[derive(Debug, Default)]
pub(super) struct Lanes {
    made: HashMap<String, Lane>,
    busy: HashMap<Lane, usize>,
}

impl Lanes {
    /// Takes what is due and has room, the longest due first, and says when the next becomes due. What
    /// waits for an agent is due when the agent is back: no clock says when.
    pub(super) fn take(
        &mut self,
        world: &World,
        now: Timestamp,
    ) -> (Vec<String>, Option<Timestamp>) {
        let project = |record: &EffectRecord| world.project_of(&record.effect);
        let effects = world
            .effects
            .iter()
            .filter(|(_, record)| world.awaited(&record.effect).is_none());
        self.take_from(effects, project, now)
    }

    fn take_from<'a>(
        &mut self,
        effects: impl Iterator<Item = (&'a String, &'a EffectRecord)>,
        project: impl Fn(&EffectRecord) -> Option<ProjectName>,
        now: Timestamp,
    ) -> (Vec<String>, Option<Timestamp>) {
        let mut due = Vec::new();
        let mut next: Option<Timestamp> = None;
        for (key, record) in effects {
            let at = record.not_before;
            if at > now {
                next = Some(next.map_or(at, |next| next.min(at)));
            } else if !self.made.contains_key(key) {
                due.push((at, key, record));
            }
        }
        due.sort_by_key(|(at, ..)| *at);
        let taken = due.into_iter().filter_map(|(_, key, record)| {
            let lane = (project(record), Kind::of(&record.effect));
            self.enter(key, lane).then(|| key.clone())
        });
        (taken.collect(), next)
    }

    /// Whether there is room for it.
    fn enter(&mut self, key: &str, lane: Lane) -> bool {
        let room = lane.1.room();
        let busy = self.busy.entry(lane.clone()).or_default();
        if *busy >= room {
            return false;
        }
        *busy += 1;
        self.made.insert(key.to_owned(), lane);
        true
    }

    /// It is made: its place is free.
    pub(super) fn leave(&mut self, key: &str) {
        if let Some(lane) = self.made.remove(key)
            && let Some(busy) = self.busy.get_mut(&lane)
        {
            *busy = busy.saturating_sub(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    type Outbox = BTreeMap<String, EffectRecord>;

    fn name(project: &str) -> ProjectName {
        project.parse().unwrap()
    }

    fn task(number: u64) -> cloud_code_domain::id::TaskId {
        cloud_code_domain::id::TaskId::from_random(number)
    }

    fn outbox(effects: impl IntoIterator<Item = (Effect, i64)>) -> Outbox {
        let records = effects.into_iter().map(|(effect, at)| {
            let record = EffectRecord::new(effect, Timestamp(at));
            (record.effect.key(), record)
        });
        records.collect()
    }

    fn comments(count: u64) -> impl Iterator<Item = (Effect, i64)> {
        (0..count).map(|number| (Effect::Comment { task: task(number) }, 0))
    }

    fn look(number: u64) -> Effect {
        let project = name("one");
        Effect::Inspect { project, number }
    }

    fn take(lanes: &mut Lanes, outbox: &Outbox, now: i64) -> (Vec<String>, Option<Timestamp>) {
        lanes.take_from(outbox.iter(), |_| Some(name("one")), Timestamp(now))
    }

    #[test]
    fn comments_that_wait_for_their_turn_hold_no_look_and_no_base_back() {
        let mut lanes = Lanes::default();
        let mut effects: Vec<_> = comments(100).collect();
        effects.push((look(7), 5));
        effects.push((Effect::Prepare { task: task(3) }, 5));
        let outbox = outbox(effects);
        let (taken, _) = take(&mut lanes, &outbox, 9);
        assert_eq!(taken.len(), 3);
        assert!(taken.contains(&look(7).key()));
        assert!(taken.contains(&Effect::Prepare { task: task(3) }.key()));
    }

    #[test]
    fn a_comment_is_begun_only_when_the_one_before_is_written() {
        let mut lanes = Lanes::default();
        let outbox = outbox(comments(3));
        let (first, _) = take(&mut lanes, &outbox, 0);
        assert_eq!(first.len(), 1);
        assert_eq!(take(&mut lanes, &outbox, 0).0, Vec::<String>::new());
        lanes.leave(&first[0]);
        assert_eq!(take(&mut lanes, &outbox, 0).0.len(), 1);
    }

    #[test]
    fn the_longest_due_goes_first_whatever_its_name() {
        let mut lanes = Lanes::default();
        let effects =
            (0..40_u64).map(|number| (look(number), 100 - i64::try_from(number).unwrap()));
        let outbox = outbox(effects);
        let (taken, next) = take(&mut lanes, &outbox, 100);
        assert_eq!((taken.len(), next), (32, None));
        assert_eq!(taken[0], look(39).key());
        assert!(!taken.contains(&look(0).key()));
    }

    #[test]
    fn one_project_that_is_full_leaves_the_room_of_another() {
        let mut lanes = Lanes::default();
        let outbox = outbox((0..64).map(|number| (look(number), 0)));
        assert_eq!(take(&mut lanes, &outbox, 0).0.len(), 32);
        let other = |_: &EffectRecord| Some(name("two"));
        let (taken, _) = lanes.take_from(outbox.iter(), other, Timestamp(0));
        assert_eq!(taken.len(), 32);
    }

    #[test]
    fn what_is_not_due_says_when_it_will_be_and_what_is_being_made_is_not_taken_twice() {
        let mut lanes = Lanes::default();
        let outbox = outbox([(look(1), 0), (look(2), 70), (look(3), 60)]);
        let (taken, next) = take(&mut lanes, &outbox, 5);
        assert_eq!(taken, [look(1).key()]);
        assert_eq!(next, Some(Timestamp(60)));
        assert_eq!(take(&mut lanes, &outbox, 5).0, Vec::<String>::new());
    }
}
