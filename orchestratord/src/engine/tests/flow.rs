//! How work goes on when others had a hand in it: a person's push, another agent, another coding CLI.

use cloud_code_domain::task::MessageKind;

use super::*;

fn overtaken(head: char) -> Done {
    Done::Overtaken {
        head: oid(head),
        commits: vec!["1a2b3c4 Ada: By hand".into()],
    }
}

#[tokio::test]
async fn a_push_of_a_person_is_the_base_of_the_next_execution_and_nobodys_fault() {
    let bench = Bench::start().await;
    let task = bench.new_task("Add a greeting").await;
    for (round, head) in (1..).zip(['1', '2', '3', '4']) {
        let execution = bench.assigned(&task).await;
        assert_eq!(bench.execution(&execution).await.resume, round > 1);
        bench.succeeds(&execution, oid('b')).await;
        bench.effect("publish", overtaken(head)).await;
        let record = bench.task(&task).await;
        assert_eq!(record.state, TaskState::Pending);
        assert_eq!((record.attempts, record.interruptions), (0, 0));
        assert_eq!(record.overtaken, round);
        let pull_request = record.pull_request.map(|record| record.head);
        assert_eq!(pull_request, Some(oid(head)), "the lease is theirs");
        let told = record.conversation.messages.last().cloned();
        assert_eq!(told.map(|told| told.kind), Some(MessageKind::Pushed));
    }
    let execution = bench.assigned(&task).await;
    bench.succeeds(&execution, oid('b')).await;
    bench.effect("publish", overtaken('5')).await;
    let TaskState::Blocked(BlockedReason::NeedsHuman(why)) = bench.state(&task).await else {
        panic!("it goes on for ever");
    };
    assert!(why.contains("5 times in a row"), "{why}");
    bench.act(Action::Retry(task.clone())).await.unwrap();
    assert_eq!(bench.task(&task).await.overtaken, 0);
}
