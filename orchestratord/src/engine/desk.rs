//! Where the links of agents hear of their orders: each at a place of its own, so that what changes
//! for one of a thousand agents wakes one link and not a thousand.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use cloud_code_domain::id::AgentId;
use tokio::sync::broadcast;

use super::orders::Orders;

/// Orders that a slow link may lag behind before it has to ask anew.
const WAITING: usize = 16;

/// See the module; a handle to be cloned.
#[derive(Debug, Clone, Default)]
pub(super) struct Desk(Arc<Mutex<BTreeMap<AgentId, Place>>>);

#[derive(Debug)]
struct Place {
    /// What was said last: nothing is said twice.
    last: Orders,
    to: broadcast::Sender<Orders>,
}

impl Desk {
    /// From now on this link hears what changes for its agent, and no earlier one does.
    pub(super) fn listen(&self, agent: AgentId, known: Orders) -> broadcast::Receiver<Orders> {
        let (to, listener) = broadcast::channel(WAITING);
        let mut places = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        places.insert(agent, Place { last: known, to });
        listener
    }

    /// Tells those of these agents that are listened for what has changed for them.
    pub(super) fn tell<'a>(
        &self,
        agents: impl IntoIterator<Item = &'a AgentId>,
        orders: impl Fn(&AgentId) -> Orders,
    ) {
        let mut places = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for agent in agents {
            let Some(place) = places.get_mut(agent) else {
                continue;
            };
            let new = orders(agent);
            if new == place.last {
                continue;
            }
            place.last = new.clone();
            if place.to.send(new).is_err() {
                // The link is gone.
                places.remove(agent);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn agent(name: &str) -> AgentId {
        name.parse().unwrap()
    }

    fn clean(task: &str) -> Orders {
        Orders {
            clean: vec![task.parse().unwrap()],
            ..Orders::default()
        }
    }

    #[test]
    fn an_agent_hears_of_its_own_orders_and_only_of_new_ones() {
        let desk = Desk::default();
        let mut one = desk.listen(agent("app.backend-1"), Orders::default());
        let mut two = desk.listen(agent("app.backend-2"), Orders::default());
        let both = [agent("app.backend-1"), agent("app.backend-2")];
        let said = |who: &AgentId| match who.as_str() {
            "app.backend-1" => clean("k3f9x2ab"),
            _ => Orders::default(),
        };
        desk.tell(&both, said);
        desk.tell(&both, said);
        assert_eq!(one.try_recv(), Ok(clean("k3f9x2ab")));
        assert!(one.try_recv().is_err() && two.try_recv().is_err());
    }

    #[test]
    fn a_new_link_takes_the_place_of_the_one_before() {
        let desk = Desk::default();
        let mut old = desk.listen(agent("app.backend-1"), Orders::default());
        let mut new = desk.listen(agent("app.backend-1"), Orders::default());
        desk.tell(&[agent("app.backend-1")], |_| clean("k3f9x2ab"));
        assert_eq!(old.try_recv(), Err(broadcast::error::TryRecvError::Closed));
        assert_eq!(new.try_recv(), Ok(clean("k3f9x2ab")));
    }
}
