//! Each rule of the exchange, broken on purpose: the model catches it within a few seeds. A checker that lets one pass
//! would also let a real fault pass.

use std::time::Duration;

use simulation::{Broken, Settings, Troubles, run};

/// Within how many seeds a broken rule must be caught.
const SEEDS: u64 = 4;
const MINUTE: Duration = Duration::from_secs(60);

/// The model finds something wrong with this rule broken in such a county, and nothing where the rule is kept in the
/// very same one: it is the rule that is caught, not the county.
#[track_caller]
fn is_caught(rule: Broken, hours: u64, troubles: Troubles) {
    let county = |seed, broken| Settings {
        broken,
        troubles,
        ..Settings::village(1000 + seed, hours)
    };
    let caught = (0..SEEDS).find(|seed| run(county(*seed, Some(rule))).is_err());
    let Some(seed) = caught else {
        panic!("{rule:?} was let pass");
    };
    if let Err(failure) = run(county(seed, None)) {
        panic!("{rule:?} is kept, and yet in seed {}:\n{failure}", 1000 + seed);
    }
}

#[test]
fn a_hub_that_acknowledges_what_it_does_not_store_is_caught() {
    is_caught(Broken::AckBeforeStore, 2, Troubles::default());
}

#[test]
fn a_box_that_hears_no_acknowledgement_is_caught() {
    is_caught(Broken::AckUnheard, 1, Troubles::default());
}

#[test]
fn a_feed_with_gaps_is_caught_also_where_nobody_compares() {
    is_caught(Broken::FeedSkips, 1, Troubles::default());
    is_caught(Broken::PrintsUncompared, 1, Troubles::default());
}

#[test]
fn a_box_that_takes_a_feed_in_part_is_caught() {
    is_caught(Broken::FeedTakenInPart, 1, Troubles::default());
}

#[test]
fn what_reaches_a_clinic_that_may_not_see_it_is_caught() {
    is_caught(Broken::OtherClinicsFeed, 2, Troubles::default());
}

#[test]
fn a_blob_that_goes_on_at_a_wrong_place_is_caught() {
    is_caught(Broken::WrongResumePlace, 4, Troubles::default());
}

#[test]
fn something_urgent_that_waits_is_caught() {
    is_caught(Broken::UrgentWaits, 2, Troubles::default());
}

#[test]
fn a_box_that_does_not_come_again_is_caught() {
    is_caught(Broken::NoRetry, 1, Troubles::default());
}

#[test]
fn an_end_that_waits_for_ever_is_caught() {
    is_caught(Broken::NoTimeout, 2, Troubles::default());
}

#[test]
fn a_form_that_counts_twice_is_caught() {
    is_caught(Broken::FormCountsTwice, 2, Troubles::default());
}

#[test]
fn a_clinic_that_does_not_hear_that_somebody_left_is_caught() {
    let troubles = Troubles {
        panels: Some(MINUTE * 6),
        ..Troubles::default()
    };
    is_caught(Broken::LeavingUntold, 2, troubles);
}

#[test]
fn a_hub_that_does_not_tell_anew_what_it_holds_is_caught() {
    let troubles = Troubles {
        hub_restores: Some(MINUTE * 50),
        ..Troubles::default()
    };
    is_caught(Broken::NotToldAnew, 3, troubles);
}

#[test]
fn a_second_machine_under_one_session_that_is_taken_for_the_first_is_caught() {
    let troubles = Troubles {
        clones: Some(MINUTE * 30),
        ..Troubles::default()
    };
    is_caught(Broken::SpoiledAcknowledged, 2, troubles);
}

#[test]
fn a_hub_that_serves_a_box_that_was_stolen_is_caught() {
    let troubles = Troubles {
        thefts: Some(MINUTE * 20),
        ..Troubles::default()
    };
    is_caught(Broken::ThiefServed, 2, troubles);
}
