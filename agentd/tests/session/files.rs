//! Hostile content of `.cloud-code/`.

use cloud_code_proto::v1;

use crate::station::{REPORT, Station};

/// Runs a program that puts something in the place of reporting.yaml, gives the complaint that the
/// host heard of it, and sees that a good file is taken again.
async fn complaint(station: &Station, number: u32, put: &str) -> String {
    let program = format!(
        "{REPORT}
report 'summary: first'
while [ ! -e ../read-{number} ]; do sleep 0.02; done
rm -f .cloud-code/reporting.yaml
{put}
while [ ! -e ../heard-{number} ]; do sleep 0.02; done
rm -rf .cloud-code/reporting.yaml
report 'summary: good again'
echo x > x
"
    );
    let execution = station.execution(number);
    station.assign(station.assignment(number, &program)).await;
    let first = Some("first");
    station
        .host
        .until("the good report", |heard| {
            heard.report(&execution).summary.as_deref() == first
        })
        .await;
    let go_on = |name: &str| {
        std::fs::write(station.above().join(format!("{name}-{number}")), "").unwrap();
    };
    go_on("read");
    let heard = station
        .host
        .until("the complaint", |heard| {
            heard.report(&execution).invalid.is_some()
        })
        .await;
    // The last good one is kept.
    let report = heard.report(&execution);
    assert_eq!(report.summary.as_deref(), first);
    go_on("heard");
    let ended = station.host.ended(&execution).await;
    assert_eq!(ended.kind(), v1::EndKind::Succeeded, "{ended:?}");
    let after = station.host.heard().report(&execution);
    assert_eq!(after.invalid, None);
    assert_eq!(after.summary.as_deref(), Some("good again"));
    report.invalid.unwrap()
}

#[tokio::test]
async fn whatever_is_put_in_place_of_the_report_is_named_and_survived() {
    let station = Station::start().await;
    let cases = [
        ("mkfifo F", "not a regular file"),
        ("ln -s /etc/passwd F", "it is a link"),
        ("ln -s nowhere F", "it is a link"),
        ("mkdir F", "not a regular file"),
        ("truncate -s 1G F", "larger than"),
        ("printf '\\377\\376' > F", "not UTF-8"),
        ("echo 'version: [' > F", "not a report"),
        ("ln .cloud-code/tasking.yaml F", "hard link"),
    ];
    for (number, (put, wanted)) in (1..).zip(cases) {
        let put = put.replace('F', ".cloud-code/reporting.yaml");
        let complaint = complaint(&station, number, &put).await;
        assert!(complaint.contains(wanted), "{put}: {complaint}");
    }
}

#[tokio::test]
async fn a_contract_folder_that_became_a_link_is_not_followed() {
    let station = Station::start().await;
    let outside = station.dir.path().join("outside");
    std::fs::create_dir(&outside).unwrap();
    let link = format!("ln -s {} .cloud-code", outside.display());
    let program = format!("rm -rf .cloud-code; {link}; echo x > x");
    let ended = station.run(1, &program).await;
    assert_eq!(ended.kind(), v1::EndKind::Succeeded, "{ended:?}");
    assert_eq!(std::fs::read_dir(&outside).unwrap().count(), 0);
    let files = ["ls-tree", "-r", "--name-only", &ended.head];
    let files = crate::station::git_ok(&station.work(), &files).await;
    assert_eq!(files, "README.md\nx");
    // The next execution makes it a folder again.
    let program = "test -d .cloud-code -a ! -L .cloud-code && echo y > y";
    let ended = station.resume(2, program).await;
    assert_eq!(ended.kind(), v1::EndKind::Succeeded, "{ended:?}");
}

#[tokio::test]
async fn a_report_of_another_task_changes_nothing() {
    let station = Station::start().await;
    let program = "\
echo '{version: 1, tasks: {zzzzzzzz: {summary: foreign, blocked_reason: foreign}}}' \\
  > .cloud-code/reporting.yaml
echo x > x
";
    let ended = station.run(1, program).await;
    assert_eq!(ended.kind(), v1::EndKind::Succeeded, "{ended:?}");
    let report = station.host.heard().report(&station.execution(1));
    assert_eq!((report.summary, report.invalid), (None, None));
}

#[tokio::test]
async fn a_report_is_heard_while_the_turn_runs_also_after_a_rename_and_a_deletion() {
    let station = Station::start().await;
    let program = format!(
        "{REPORT}
report 'current_step: one'
while [ ! -e ../one ]; do sleep 0.02; done
rm .cloud-code/reporting.yaml
report 'current_step: two'
while [ ! -e ../two ]; do sleep 0.02; done
echo x > x
"
    );
    let execution = station.execution(1);
    station.assign(station.assignment(1, &program)).await;
    for step in ["one", "two"] {
        station
            .host
            .until(step, |heard| {
                heard.report(&execution).current_step.as_deref() == Some(step)
            })
            .await;
        std::fs::write(station.above().join(step), "").unwrap();
    }
    station.host.ended(&execution).await;
    let report = station.read(".cloud-code/reporting.yaml");
    assert!(report.contains("status: completed"), "{report}");
    assert!(report.contains("current_step: two"), "{report}");
}
