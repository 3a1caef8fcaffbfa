//! Model calls and accounts: money is set aside before a call and settled after it.

use cloud_code_domain::account::{Account, Parking};
use cloud_code_domain::cost::Usage;
use cloud_code_domain::event::{EventActor, Subject};
use cloud_code_domain::execution::StopReason;
use cloud_code_domain::id::{AccountName, ExecutionId};
use cloud_code_domain::limit::{Amount, Level, Measure};
use cloud_code_domain::task::{Task, TaskEvent};

use crate::engine::input::{Answer, CallRefusal, Reply};
use crate::engine::world::World;
use crate::store::{Reservation, SpendRow};

impl World {
    /// The account that an execution spends from.
    #[must_use]
    pub fn account_of(&self, execution: &ExecutionId) -> Option<AccountName> {
        let execution = self.executions.get(execution)?;
        self.config
            .coding_clis
            .get(&execution.coding_cli)?
            .account
            .clone()
    }

    /// Why an account is not used now, if so.
    #[must_use]
    pub fn parking(&self, account: &AccountName) -> Option<&Parking> {
        let parking = self.accounts.get(account)?.parking.as_ref()?;
        (!parking.is_over(self.now)).then_some(parking)
    }

    /// What limits the calls of a task are counted in, by what its coding CLI spends from.
    #[must_use]
    pub fn measure_of(&self, task: &Task) -> Measure {
        let account = self.account_of_task(task);
        account.map_or(Measure::Dollars, |account| self.measure(account))
    }

    /// The account that the next execution of a task spends from.
    #[must_use]
    pub fn account_of_task(&self, task: &Task) -> Option<&AccountName> {
        let cli = self.config.coding_clis.get(&task.coding_cli)?;
        cli.account.as_ref()
    }

    /// What limits the calls of an account are counted in.
    #[must_use]
    pub fn measure(&self, account: &AccountName) -> Measure {
        let config = self.config.accounts.get(account);
        config.map_or(Measure::Dollars, |config| config.auth.measure())
    }

    pub(super) fn open_call(&mut self, id: &ExecutionId, model: String, most: Amount) -> Reply {
        match self.may_call(id) {
            Err(refusal) => Reply::CallRefused(refusal),
            Ok(account) => {
                let call = self.next_call;
                self.next_call = call.saturating_add(1);
                let at = self.now;
                let reservation = Reservation {
                    execution: id.clone(),
                    call,
                    account,
                    model,
                    most: most.cost,
                    most_tokens: most.tokens,
                    at,
                };
                self.changes.reservations.insert(reservation.key());
                self.reservations.insert(reservation.key(), reservation);
                Reply::CallAllowed { call }
            }
        }
    }

    fn may_call(&mut self, id: &ExecutionId) -> Result<AccountName, CallRefusal> {
        let execution = self.executions.get(id).ok_or(CallRefusal::NotRunning)?;
        if execution.state.is_finished() {
            return Err(CallRefusal::NotRunning);
        }
        let account = self.account_of(id).ok_or(CallRefusal::NoAccount)?;
        if let Some(parking) = self.parking(&account) {
            return Err(CallRefusal::Parked(parking.clone()));
        }
        if let Some(stop) = execution.stop {
            return Err(match stop {
                StopReason::CostLimit => CallRefusal::CostLimit,
                StopReason::RetryStorm => CallRefusal::RetryStorm,
                StopReason::Cancelled
                | StopReason::AccountParked
                | StopReason::Authentication
                | StopReason::Halted => CallRefusal::Stopping,
            });
        }
        let measure = self.measure(&account);
        if self.limit_reached(id, measure) {
            self.cost_limit_reached(id);
            return Err(CallRefusal::CostLimit);
        }
        if self.daily_limit_reached(id, measure) {
            self.stop(id, StopReason::Halted);
            return Err(CallRefusal::DailyLimit);
        }
        Ok(account)
    }

    /// Whether what the task has spent and what is set aside for it reach its limit.
    fn limit_reached(&self, id: &ExecutionId, measure: Measure) -> bool {
        let aside = self.set_aside(|reservation| reservation.execution.task == id.task);
        self.tasks.get(&id.task).is_none_or(|task| {
            let spent = task.spent().plus(aside);
            spent.level(measure, task.limits()).is_reached()
        })
    }

    fn daily_limit_reached(&self, id: &ExecutionId, measure: Measure) -> bool {
        let Some(task) = self.tasks.get(&id.task) else {
            return true;
        };
        let project = &task.project;
        if self.goes_past_daily_limit(task) {
            return false;
        }
        let aside = self.set_aside(|reservation| {
            let of = self.tasks.get(&reservation.execution.task);
            of.is_some_and(|task| task.project == *project)
        });
        self.config.project(project).is_none_or(|config| {
            let spent = self.spent_today(project).plus(aside);
            spent.level(measure, config.daily_limit).is_reached()
        })
    }

    /// Whether an operator lets a task go past its project's limit today.
    #[must_use]
    pub fn goes_past_daily_limit(&self, task: &Task) -> bool {
        task.past_daily_limit == Some(self.now.day())
    }

    /// How far a project's limit of today is used up for this task; none where it may go on.
    #[must_use]
    pub fn daily_limit_of(&self, task: &Task) -> Option<Level> {
        let config = self.config.project(&task.project)?;
        let spent = self.spent_today(&task.project);
        let level = spent.level(self.measure_of(task), config.daily_limit);
        (level.is_reached() && !self.goes_past_daily_limit(task)).then_some(level)
    }

    fn set_aside(&self, counts: impl Fn(&Reservation) -> bool) -> Amount {
        let sums = self
            .reservations
            .values()
            .filter(|reservation| counts(reservation));
        sums.fold(Amount::default(), |sum, reservation| {
            let measure = self.measure(&reservation.account);
            let (most, tokens) = (reservation.most, reservation.most_tokens);
            sum.plus(Amount::of_call(measure, most, tokens))
        })
    }

    /// The limit is a wall, not an alarm: the turn ends, and the task waits for the operator.
    fn cost_limit_reached(&mut self, id: &ExecutionId) {
        self.stop(id, StopReason::CostLimit);
        self.change_task(&id.task, |task| task.keep = true);
        let event = TaskEvent::CostLimitReached(id.clone());
        // An execution that is not current moves nothing; it is stopped all the same.
        let _moved = self.move_task(&id.task, &event, EventActor::Engine, "");
    }

    /// A call has ended; without a count what was set aside is charged whole.
    pub(crate) fn settle_call(
        &mut self,
        id: &ExecutionId,
        call: u64,
        counted: Option<(Usage, Amount)>,
    ) {
        let Some(reservation) = self.reservations.remove(&format!("{id}/{call}")) else {
            return;
        };
        self.changes.reservations.insert(reservation.key());
        let (usage, came_to) = counted.unwrap_or_else(|| {
            let whole = Amount {
                cost: reservation.most,
                tokens: reservation.most_tokens,
            };
            (Usage::default(), whole)
        });
        let measure = self.measure(&reservation.account);
        let cost = came_to.cost;
        self.change_execution(id, |execution| {
            execution.usage = execution.usage.plus(usage);
            execution.cost = execution.cost.plus(cost);
            if !execution.models.contains(&reservation.model) && execution.models.len() < 20 {
                execution.models.push(reservation.model.clone());
            }
        });
        self.change_task(&id.task, |task| {
            task.usage = task.usage.plus(usage);
            task.cost = task.cost.plus(cost);
            if measure == Measure::Tokens {
                task.notional = task.notional.plus(cost);
                task.tokens = task.tokens.plus(came_to.tokens);
            }
        });
        self.note_spending(id, &reservation, usage, came_to);
        let over = self
            .executions
            .get(id)
            .is_some_and(|execution| !execution.state.is_finished() && execution.stop.is_none());
        if over && self.limit_reached(id, measure) {
            self.cost_limit_reached(id);
        }
    }

    /// Counts the calls of an execution that failed one after the other. Its coding CLI may not say
    /// that it tries again and again, and each answer looks like a sign of life.
    pub(super) fn note_answer(&mut self, id: &ExecutionId, answer: Answer) {
        if let Some(account) = self.account_of(id) {
            self.note_provider(&account, answer != Answer::None);
        }
        let answered = answer == Answer::Whole;
        let running = self
            .executions
            .get(id)
            .is_some_and(|execution| !execution.state.is_finished() && execution.stop.is_none());
        if answered || !running {
            self.failing.remove(id);
            return;
        }
        let failures = self.failing.entry(id.clone()).or_default();
        *failures = failures.saturating_add(1);
        if *failures > self.config.agents.limits.retries {
            self.failing.remove(id);
            let subject = Subject::Task(id.task.to_string());
            let detail = "its model calls fail one after the other";
            self.record(EventActor::Engine, subject, "retry_storm", detail);
            self.stop(id, StopReason::RetryStorm);
        }
    }

    /// A provider that answers nobody is nobody's fault: its account is parked for a while.
    fn note_provider(&mut self, account: &AccountName, answered: bool) {
        if answered {
            self.unanswered.remove(account);
            return;
        }
        // What was called before it was parked says nothing new.
        if self.parking(account).is_some() {
            return;
        }
        let (now, jitter) = (self.now, self.random.fraction());
        let unanswered = self.unanswered.entry(account.clone()).or_default();
        if let Some(parking) = unanswered.failed(now, jitter) {
            self.park_account(account, parking);
        }
    }

    fn note_spending(&mut self, id: &ExecutionId, of: &Reservation, usage: Usage, came_to: Amount) {
        let (Some(task), Some(execution)) = (self.tasks.get(&id.task), self.executions.get(id))
        else {
            return;
        };
        let row = SpendRow {
            day: self.now.day(),
            project: task.project.clone(),
            agent: execution.agent.clone(),
            task: id.task.clone(),
            model: of.model.clone(),
            account: of.account.clone(),
            usage: Usage::default(),
            cost: Default::default(),
            tokens: Default::default(),
            calls: 0,
        };
        let (account, project) = (row.account.clone(), row.project.clone());
        let counted = &mut self.changes.counted;
        counted.call(account, project, usage, came_to.cost);
        let key = row.key();
        let row = self.spend.entry(key.clone()).or_insert(row);
        row.usage = row.usage.plus(usage);
        row.cost = row.cost.plus(came_to.cost);
        row.tokens = row.tokens.plus(came_to.tokens);
        row.calls = row.calls.saturating_add(1);
        self.changes.spend.insert(key);
    }

    /// Limits and parking are the account's: every turn that spends from it ends.
    pub(super) fn park_account(&mut self, name: &AccountName, parking: Parking) -> Reply {
        let now = self.now;
        let reason = match &parking {
            Parking::UsageLimit { .. } | Parking::NoAnswer { .. } => StopReason::AccountParked,
            Parking::LogInAgain => StopReason::Authentication,
        };
        let (kind, detail) = match &parking {
            Parking::UsageLimit { until } => ("parked", format!("until {}", until.0)),
            Parking::LogInAgain => ("log_in_again", "the provider refused its secret".to_owned()),
            Parking::NoAnswer { until } => {
                let detail = format!("the provider gives no answer; until {}", until.0);
                ("parked", detail)
            }
        };
        let account = self
            .accounts
            .entry(name.clone())
            .or_insert_with(|| Account {
                name: name.clone(),
                parking: None,
                updated_at: now,
            });
        if account.parking.as_ref() == Some(&parking) {
            return Reply::Ok;
        }
        account.parking = Some(parking);
        account.updated_at = now;
        self.changes.accounts.insert(name.clone());
        self.record(
            EventActor::Engine,
            Subject::Account(name.to_string()),
            kind,
            detail,
        );
        let running: Vec<ExecutionId> = self
            .executions
            .values()
            .filter(|execution| !execution.state.is_finished())
            .map(|execution| execution.id.clone())
            .filter(|id| self.account_of(id).as_ref() == Some(name))
            .collect();
        for execution in running {
            self.stop(&execution, reason);
        }
        Reply::Ok
    }

    pub(super) fn unpark(&mut self, name: &AccountName, actor: EventActor) {
        let now = self.now;
        if let Some(account) = self.accounts.get_mut(name)
            && account.parking.take().is_some()
        {
            account.updated_at = now;
            self.changes.accounts.insert(name.clone());
            self.record(actor, Subject::Account(name.to_string()), "resumed", "");
        }
    }

    pub(super) fn unpark_accounts(&mut self) {
        let over: Vec<AccountName> = self
            .accounts
            .values()
            .filter(|account| {
                account
                    .parking
                    .as_ref()
                    .is_some_and(|p| p.is_over(self.now))
            })
            .map(|account| account.name.clone())
            .collect();
        for name in over {
            self.unpark(&name, EventActor::Engine);
        }
    }
}
