//! The transcripts of the games under `flows/`.

use std::time::Instant;

use questline::transcript::play_all;
use questline_tests::{chats, guests::workspace};

#[tokio::test(flavor = "multi_thread")]
async fn every_transcript_of_every_game_passes_at_the_same_cost_each_time() {
    let mut scenes = 0;
    for dir in questline::game::folders(&workspace().join("flows")).unwrap() {
        let (game, bundle) = chats::load(&dir).await;
        let begun = Instant::now();
        let first = play_all(&game, &bundle).await;
        println!("{}: {:?}", dir.display(), begun.elapsed());
        for report in &first {
            println!("{report}");
        }
        assert!(first.iter().all(|report| report.passed()), "{}", dir.display());
        scenes += first.iter().map(|report| report.scenes.len()).sum::<usize>();

        // The cost is a figure of component and transcript, not of the machine or the moment.
        let second = play_all(&game, &bundle).await;
        let costs = |reports: &[questline::transcript::TranscriptReport]| {
            let steps = reports.iter().flat_map(|report| &report.scenes).flat_map(|scene| &scene.steps);
            steps.map(|step| (step.line, step.event, step.fuel)).collect::<Vec<_>>()
        };
        assert_eq!(costs(&first), costs(&second));
        assert!(first.iter().flat_map(|report| &report.scenes).any(|scene| scene.fuel() > Some(10_000)));
    }
    assert!(scenes >= 15, "{scenes} scenes");
}
