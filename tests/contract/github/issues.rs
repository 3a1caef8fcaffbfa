//! Reading an issue: what it says, and whom to trust about it.

use anyhow::{Context, Result};
use cloud_code_domain::issue::{IssueSnapshot, Permission};
use cloud_code_tests::forge::Fault;
use orchestratord::ports::IssueTracker;

use super::{LABEL, Scene, is_later, is_refused, trouble};

async fn read(scene: &Scene, number: u64) -> Result<IssueSnapshot> {
    let issue = scene.github.issue(number).await?;
    issue.context("no issue")
}

#[tokio::test]
async fn who_set_the_label_is_told_with_their_permission() -> Result<()> {
    let scene = Scene::set().await?;
    let ada = scene.forge.person("ada", "maintain");
    let number = scene.forge.create_issue("eve", "A title", "A text");
    scene.forge.label("ada", number, LABEL);
    let issue = read(&scene, number).await?;
    assert_eq!(
        (issue.title.as_str(), issue.body.as_str()),
        ("A title", "A text")
    );
    let trigger = issue.trigger.context("no trigger")?;
    let actor = trigger.actor.context("nobody")?;
    assert_eq!((actor.id, actor.permission), (ada, Permission::Maintain));
    assert!(actor.may_instruct());
    assert_eq!(
        (issue.edited_at, issue.open, issue.merged),
        (None, true, false)
    );
    scene.end();
    Ok(())
}

#[tokio::test]
async fn strangers_triagers_bots_and_a_reused_login_may_not_instruct() -> Result<()> {
    let scene = Scene::set().await?;
    scene.forge.person("tim", "triage");
    scene.forge.person("rob", "read");
    scene.forge.bot("helper[bot]", "admin");
    scene.forge.person("old", "write");
    let mut numbers = Vec::new();
    for by in ["tim", "rob", "eve", "helper[bot]", "old"] {
        numbers.push(scene.forge.create_issue_labelled(by, "t", "b", &[LABEL]));
    }
    // The one who set the label had write; who bears the login by now has more, and says nothing
    // about it.
    scene.forge.reuse_login("old", "admin");
    for number in numbers {
        let trigger = read(&scene, number).await?.trigger.context("no trigger")?;
        let actor = trigger.actor.context("nobody")?;
        assert!(!actor.may_instruct(), "{}", actor.login);
    }
    scene.end();
    Ok(())
}

#[tokio::test]
async fn a_label_whose_event_is_not_listed_yet_is_waited_for_and_not_held_against_it() -> Result<()>
{
    let scene = Scene::set().await?;
    let number = scene.forge.create_issue("eve", "t", "b");
    scene.forge.label("ada", number, LABEL);
    scene.forge.fault("GET", "/events", Fault::StaleList, 2);
    assert!(is_later(&trouble(scene.github.issue(number).await)?));
    // One that does not come is set by nobody.
    scene.forge.pass(60);
    let trigger = read(&scene, number).await?.trigger.context("no trigger")?;
    assert_eq!(trigger.actor, None);
    let trigger = read(&scene, number).await?.trigger.context("no trigger")?;
    assert!(trigger.actor.context("nobody")?.may_instruct());
    scene.end();
    Ok(())
}

#[tokio::test]
async fn without_an_answer_about_permission_nobody_is_trusted() -> Result<()> {
    let scene = Scene::set().await?;
    let number = scene.forge.create_issue_labelled("ada", "t", "b", &[LABEL]);
    for (status, times) in [(500, 3), (403, 1)] {
        scene
            .forge
            .fault("GET", "/permission", Fault::FailBefore(status), times);
        assert!(
            is_later(&trouble(scene.github.issue(number).await)?),
            "{status}"
        );
    }
    scene
        .forge
        .fault("GET", "/permission", Fault::FailBefore(404), 1);
    let trigger = read(&scene, number).await?.trigger.context("no trigger")?;
    assert_eq!(
        trigger.actor.map(|actor| actor.permission),
        Some(Permission::None)
    );
    scene.end();
    Ok(())
}

#[tokio::test]
async fn without_an_answer_about_edits_the_issue_waits() -> Result<()> {
    let scene = Scene::set().await?;
    let number = scene.forge.create_issue_labelled("ada", "t", "b", &[LABEL]);
    let stumble = Fault::FailBefore(502);
    scene.forge.fault("POST", "/graphql", stumble, 3);
    let untouched = read(&scene, number).await?;
    assert_eq!(untouched.edited_at, None, "it did not change since");
    // Something changed after the label was set, and what it was is not told.
    scene.forge.comment("eve", number, "x");
    scene.forge.fault("POST", "/graphql", stumble, 3);
    assert!(is_later(&trouble(scene.github.issue(number).await)?));
    assert!(scene.github.issue(number).await?.is_some());
    scene.end();
    Ok(())
}

#[tokio::test]
async fn an_edit_of_text_or_title_after_the_label_is_seen() -> Result<()> {
    let scene = Scene::set().await?;
    for (title, body) in [
        (None, Some("and now something else")),
        (Some("renamed"), None),
    ] {
        let number = scene.forge.create_issue_labelled("ada", "t", "b", &[LABEL]);
        scene.forge.edit_issue("eve", number, title, body);
        let issue = read(&scene, number).await?;
        let trigger = issue.trigger.context("no trigger")?;
        assert!(issue.edited_at > Some(trigger.at));
        scene.forge.unlabel("ada", number, LABEL);
        scene.forge.label("ada", number, LABEL);
        let again = read(&scene, number).await?;
        assert!(again.edited_at < again.trigger.map(|trigger| trigger.at));
    }
    scene.end();
    Ok(())
}

#[tokio::test]
async fn who_took_the_label_away_or_closed_it_is_told() -> Result<()> {
    let scene = Scene::set().await?;
    let ada = scene.forge.person("ada", "write");
    let number = scene.forge.create_issue_labelled("ada", "t", "b", &[LABEL]);
    scene.forge.unlabel("ada", number, LABEL);
    let issue = read(&scene, number).await?;
    assert!(issue.trigger.is_none());
    assert_eq!(issue.untriggered_by.map(|actor| actor.id), Some(ada));
    scene.forge.close("eve", number);
    let issue = read(&scene, number).await?;
    assert!(!issue.open);
    let closed_by = issue.closed_by.context("nobody")?;
    assert_eq!(
        (closed_by.login.as_str(), closed_by.may_instruct()),
        ("eve", false)
    );
    scene.forge.reopen("ada", number);
    assert_eq!(read(&scene, number).await?.closed_by, None);
    scene.end();
    Ok(())
}

#[tokio::test]
async fn open_issues_that_block_it_are_told_and_an_old_server_blocks_nothing() -> Result<()> {
    let scene = Scene::set().await?;
    let (first, second) = (
        scene.forge.create_issue("ada", "first", ""),
        scene.forge.create_issue("ada", "second", ""),
    );
    let number = scene.forge.create_issue_labelled("ada", "t", "b", &[LABEL]);
    scene.forge.block(number, first);
    scene.forge.block(number, second);
    scene.forge.close("ada", second);
    assert_eq!(read(&scene, number).await?.blocked_by, [first]);
    scene
        .forge
        .fault("GET", "/dependencies/", Fault::FailBefore(404), 1);
    assert!(read(&scene, number).await?.blocked_by.is_empty());
    scene.end();
    Ok(())
}

#[tokio::test]
async fn a_label_set_long_ago_is_found_on_a_later_page() -> Result<()> {
    let scene = Scene::set().await?;
    scene.forge.limit_pages(2);
    let number = scene.forge.create_issue("ada", "t", "b");
    for label in ["one", "two", LABEL, "three", "four"] {
        scene.forge.label("ada", number, label);
    }
    let trigger = read(&scene, number).await?.trigger.context("no trigger")?;
    assert!(trigger.actor.is_some());
    assert_eq!(scene.requests("GET /api/repos/acme/app/issues/1/events"), 3);
    scene.end();
    Ok(())
}

#[tokio::test]
async fn what_is_no_issue_is_none() -> Result<()> {
    let scene = Scene::set().await?;
    // What is new is not shown everywhere at once: it may be there in a moment.
    assert!(is_later(&trouble(scene.github.issue(99).await)?));
    scene
        .forge
        .fault("GET", "/issues/99", Fault::FailBefore(410), 1);
    assert_eq!(scene.github.issue(99).await?, None);
    for status in [403, 422, 451] {
        let fault = Fault::FailBefore(status);
        scene.forge.fault("GET", "/issues/99", fault, 1);
        assert!(is_later(&trouble(scene.github.issue(99).await)?));
    }
    scene.end();
    Ok(())
}

#[tokio::test]
async fn how_an_issue_stands_that_is_no_task_costs_two_requests() -> Result<()> {
    let scene = Scene::set().await?;
    let number = scene.forge.create_issue("eve", "t", "b");
    let asked = |scene: &Scene, before: usize| scene.forge.requests()[before..].to_vec();
    let before = scene.forge.requests().len();
    assert!(read(&scene, number).await?.open);
    let requests = asked(&scene, before);
    assert_eq!(requests.len(), 2, "{requests:?}");
    let issue = format!("/issues/{number}");
    assert!(requests[0].ends_with(&issue), "{requests:?}");
    let events = format!("{issue}/events");
    assert!(requests[1].contains(&events), "{requests:?}");
    scene.forge.close("eve", number);
    assert!(!read(&scene, number).await?.open);
    let before = scene.forge.requests().len();
    assert!(is_later(&trouble(scene.github.issue(9_999).await)?));
    assert_eq!(asked(&scene, before).len(), 1);
    scene.end();
    Ok(())
}
