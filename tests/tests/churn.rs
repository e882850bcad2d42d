//! Eight clients do random things to containers while the daemon and its launcher are killed. `JOCKER_CHURN` says for
//! how many seconds, `JOCKER_CHURN_SEED` with which numbers.

use harness::Daemon;
use harness::churn::Churn;

#[test]
fn nothing_is_lost_or_left_whatever_is_killed() {
    let Some(mut daemon) = Daemon::ours() else { return };
    Churn::from_environment(8).run(&mut daemon);
}
