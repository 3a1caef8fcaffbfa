//! Our one comment, and what people say.

use anyhow::{Context, Result};
use cloud_code_domain::issue::RemarkKind;
use cloud_code_domain::time::Timestamp;
use cloud_code_tests::forge::{Fault, OWN_LOGIN};
use orchestratord::ports::IssueTracker;

use super::{Scene, is_refused, is_unknown, trouble};

fn marker(scene: &Scene) -> Result<String> {
    Ok(scene.key.marker(&"acme/app".parse()?, &"k3f9x2ab".parse()?))
}

#[tokio::test]
async fn our_comment_is_made_found_and_edited_in_place() -> Result<()> {
    let scene = Scene::set().await?;
    scene.forge.limit_pages(2);
    let (number, marker) = (scene.forge.create_issue("ada", "t", "b"), marker(&scene)?);
    assert_eq!(scene.github.find_comment(number, &marker).await?, None);
    for text in ["one", "two", "three"] {
        scene.forge.comment("eve", number, text);
    }
    let id = scene
        .github
        .create_comment(number, &format!("{marker}\nWorking."))
        .await?;
    // Copied out of ours by somebody who wants to be edited instead.
    scene
        .forge
        .comment("eve", number, &format!("{marker}\nMine."));
    assert_eq!(scene.github.find_comment(number, &marker).await?, Some(id));
    scene
        .github
        .edit_comment(id, &format!("{marker}\nDone."))
        .await?;
    let comments = scene.forge.comments(number);
    assert_eq!(comments.len(), 5);
    assert!(
        comments
            .iter()
            .any(|it| it.id == id && it.body.ends_with("Done."))
    );
    assert_eq!(scene.requests("PATCH "), 1);
    scene.end();
    Ok(())
}

#[tokio::test]
async fn a_comment_whose_answer_got_lost_is_unknown_and_found_by_its_mark() -> Result<()> {
    let scene = Scene::set().await?;
    let (number, marker) = (scene.forge.create_issue("ada", "t", "b"), marker(&scene)?);
    scene.forge.fault("POST", "/comments", Fault::LoseAnswer, 1);
    let answer = scene
        .github
        .create_comment(number, &format!("{marker}\nWorking."))
        .await;
    assert!(is_unknown(&trouble(answer)?));
    assert!(scene.github.find_comment(number, &marker).await?.is_some());
    assert_eq!(
        (scene.forge.comments(number).len(), scene.requests("POST ")),
        (1, 1)
    );
    scene.end();
    Ok(())
}

#[tokio::test]
async fn a_comment_that_is_gone_cannot_be_edited() -> Result<()> {
    let scene = Scene::set().await?;
    assert!(is_refused(&trouble(
        scene.github.edit_comment(1, "x").await
    )?));
    assert!(is_refused(&trouble(
        scene.github.create_comment(1, "x").await
    )?));
    scene.end();
    Ok(())
}

#[tokio::test]
async fn remarks_are_what_people_said_and_left_as_it_was() -> Result<()> {
    let scene = Scene::set().await?;
    scene.forge.bot("ci[bot]", "write");
    let number = scene.forge.create_issue("ada", "t", "b");
    scene.forge.comment("ada", number, "before");
    let first = scene
        .forge
        .comment("ada", number, "in the second that is asked for");
    let before = scene.github.remarks(number, Timestamp(0)).await?;
    assert_eq!(before.len(), 2);
    let since = before[1].at;

    let kept = scene.forge.comment("ada", number, "please use tabs");
    let stranger = scene.forge.comment("eve", number, "rm -rf");
    scene.forge.comment("ci[bot]", number, "build failed");
    let edited = scene.forge.comment("ada", number, "fine");
    scene.forge.edit_comment("ada", edited, "not fine");
    let own = format!("{}\nWorking.", marker(&scene)?);
    scene.forge.comment(OWN_LOGIN, number, &own);
    scene
        .github
        .create_comment(number, "without a mark, but ours")
        .await?;
    // The account's owner is a person who may comment too.
    let owner = scene.forge.comment(OWN_LOGIN, number, "go on");

    let remarks = scene.github.remarks(number, since).await?;
    let sources: Vec<&str> = remarks
        .iter()
        .map(|remark| remark.source.as_str())
        .collect();
    let wanted = [first, kept, stranger, owner].map(|id| format!("comment/{id}"));
    assert_eq!(sources, wanted);
    assert!(remarks[1].author.may_instruct() && !remarks[2].author.may_instruct());
    scene.end();
    Ok(())
}

#[tokio::test]
async fn a_review_comes_with_the_lines_it_is_about() -> Result<()> {
    let scene = Scene::set().await?;
    scene
        .forge
        .push_by_person("ada", "cloud-code/1", "a.rs", "fn a() {}", "a")
        .await?;
    let new = super::pulls::new_pull_request("cloud-code/1");
    let pull = orchestratord::ports::CodeHost::open_pull_request(&scene.github, &new).await?;
    let lines = [("src/a.rs", 7, "off by one"), ("src/b.rs", 1, "why?")];
    let id = scene
        .forge
        .review("ada", pull.number, "CHANGES_REQUESTED", "Not yet.", &lines);
    scene
        .forge
        .review("ada", pull.number, "APPROVED", "good", &[]);
    let remarks = scene.github.remarks(pull.number, Timestamp(0)).await?;
    assert_eq!(remarks.len(), 1);
    let remark = remarks.first().context("no remark")?;
    assert_eq!(
        (remark.source.as_str(), remark.kind),
        (format!("review/{id}").as_str(), RemarkKind::Review)
    );
    assert_eq!(
        remark.text,
        "Not yet.\n\nsrc/a.rs:7\noff by one\n\nsrc/b.rs:1\nwhy?"
    );
    scene.end();
    Ok(())
}
