//! The runtime and its engine, one workstation at a time.

use cloud_code_tests::docker_checks::{self as checks, Image, Outcome};
use cloud_code_tests::static_agentd::static_agentd;
use cloud_code_tests::trials::trial;
use libtest_mimic::Trial;

use super::demand;

pub(super) fn trials() -> Vec<Trial> {
    vec![
        check("an_image_is_checked_against_the_contract", async || {
            checks::an_image_is_checked_against_the_contract().await
        }),
        check(
            "a_workstation_reaches_its_socket_and_nothing_else",
            async || checks::a_workstation_reaches_its_socket_and_nothing_else().await,
        ),
        check("a_workstation_is_adopted_after_a_restart", async || {
            checks::a_workstation_is_adopted_after_a_restart().await
        }),
        check(
            "a_workstation_keeps_its_volumes_until_it_is_purged",
            async || checks::a_workstation_keeps_its_volumes_until_it_is_purged().await,
        ),
        check("what_is_not_ours_is_left_alone", async || {
            checks::what_is_not_ours_is_left_alone().await
        }),
        check("the_real_agentd_calls_from_a_workstation", async || {
            let agentd = static_agentd()
                .await
                .map_err(|error| format!("{error:#}"))?;
            checks::the_real_agentd_calls_from_a_workstation(&agentd).await
        }),
        trial(
            "the_coding_clis_of_the_backend_image_start_confined",
            demand(),
            async || Image::Backend.look(demand()).await,
            async |_| checks::the_coding_clis_of_the_backend_image_start_confined().await,
        ),
    ]
}

fn check(name: &str, check: impl AsyncFnOnce() -> Outcome + Send + 'static) -> Trial {
    let look = async || Image::Contract.look(demand()).await;
    trial(name, demand(), look, async move |_| check().await)
}
