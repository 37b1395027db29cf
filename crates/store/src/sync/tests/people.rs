//! Staff and tokens.

use records::links::{LinkState, Say};

use super::*;

fn member(id: u8, roles: &[Role], clinic: Option<&str>) -> StaffMember {
    StaffMember {
        id: StaffId([id; 8]),
        name: format!("员工{id}"),
        login: format!("user{id}"),
        roles: roles.to_vec(),
        state: StaffState::Active,
        password_hash: "$argon2id$x".into(),
        pin_hash: String::new(),
        clinic: clinic.map(code),
        must_change: false,
    }
}

async fn local_staff_are_adopted_and_the_roster_comes_back(on: Engine) {
    let hub = hub(on).await;
    hub.store
        .put_member(member(9, &[Role::HubAdministrator], None))
        .await
        .unwrap();
    let end = boxed(&hub, 70, "0017").await;
    let mut edits = member(1, &[Role::VillageDoctor, Role::HubAdministrator], None).edits();
    // A clinic cannot take an account of the county over.
    edits.extend(member(9, &[Role::VillageDoctor], None).edits());
    write(&end, "0017", DocKind::Clinic, edits).await;
    sync(&end, &hub).await;
    let roster = hub.store.staff().await.unwrap();
    let doctor = roster.iter().find(|member| member.id == StaffId([1; 8])).unwrap();
    assert_eq!(
        (doctor.roles.as_slice(), &doctor.clinic),
        (&[Role::VillageDoctor][..], &Some(code("0017")))
    );
    let admin = roster.iter().find(|member| member.id == StaffId([9; 8])).unwrap();
    assert_eq!(
        (admin.roles.as_slice(), &admin.clinic),
        (&[Role::HubAdministrator][..], &None)
    );
    hub.store
        .put_member(member(2, &[Role::Nurse], Some("0017")))
        .await
        .unwrap();
    hub.store
        .put_member(member(3, &[Role::Nurse], Some("0018")))
        .await
        .unwrap();
    sync(&end, &hub).await;
    let at_box: Vec<StaffId> = end
        .store
        .staff()
        .await
        .unwrap()
        .iter()
        .map(|member| member.id)
        .collect();
    assert!(at_box.contains(&StaffId([1; 8])) && at_box.contains(&StaffId([2; 8])));
    assert!(!at_box.contains(&StaffId([3; 8])));
    assert_eq!(sync(&end, &hub).await.round_trips, 1);
}

async fn a_token_takes_one_box_in_once(on: Engine) {
    let hub = hub(on).await;
    let (one, two) = (End::new_box(80), End::new_box(81));
    let ask = async |end: &End, secret, clinic| {
        let request = EnrolRequest::sign(end.store.device_key(), end.store.actor(), secret, clinic, "box");
        let key = request.verify().unwrap();
        hub.store.enrol_device(&request, key).await.unwrap()
    };
    let secret = hub.store.new_token_secret(&code("0017")).await.unwrap().unwrap();
    assert_eq!(ask(&one, [0; 16], None).await, Err(EnrolRefusal::WrongToken));
    assert_eq!(
        ask(&one, secret, Some(code("0018"))).await,
        Err(EnrolRefusal::OtherClinic)
    );
    assert!(ask(&one, secret, None).await.is_ok());
    // The answer was lost: the same box may ask again, another may not.
    assert!(ask(&one, secret, Some(code("0017"))).await.is_ok());
    assert_eq!(ask(&two, secret, None).await, Err(EnrolRefusal::UsedToken));
    let late = hub.store.new_token_secret(&code("0017")).await.unwrap().unwrap();
    let life = i64::try_from(crate::TOKEN_LIFE.as_millis()).unwrap();
    hub.clock.0.fetch_add(life + 1, Ordering::SeqCst);
    assert_eq!(ask(&two, late, None).await, Err(EnrolRefusal::ExpiredToken));
    assert_eq!(hub.store.new_token_secret(&code("9999")).await.unwrap(), None);
}

async fn a_link_goes_to_whoever_holds_one_of_the_charts_and_only_the_county_decides(on: Engine) {
    let hub = hub(on).await;
    let (near, far) = (boxed(&hub, 80, "0017").await, boxed(&hub, 81, "0018").await);
    let one = chart(&near, "0017", "示例甲").await;
    let other = chart(&far, "0018", "示例乙").await;
    sync(&near, &hub).await;
    sync(&far, &hub).await;
    let charts = [one.patient().unwrap(), other.patient().unwrap()];
    let say = |state, reason: &str, new, key: u8| {
        let say = Say {
            state,
            reason: reason.to_owned(),
        };
        let at = hub.store.clock().now();
        say.edits(new, StaffId([1; 8]), at, &mut || [key; 8])
    };
    let link = write(
        &near,
        "0017",
        DocKind::Link,
        say(LinkState::Proposed, "同一户", Some(charts), 1),
    )
    .await;
    sync(&near, &hub).await;
    sync(&far, &hub).await;
    for end in [&near, &far, &hub] {
        let (doc, read) = end.store.link_of(charts).await.unwrap().unwrap();
        assert_eq!((doc, read.value.state), (link, LinkState::Proposed));
    }
    // A clinic's decision is set aside; the county's reaches both.
    edit(&near, link, say(LinkState::Same, "擅自", None, 2)).await;
    sync(&near, &hub).await;
    sync(&near, &hub).await;
    assert_eq!(hub.store.parked_count().await.unwrap(), 1);
    edit(&hub, link, say(LinkState::Same, "核对过", None, 3)).await;
    sync(&near, &hub).await;
    sync(&far, &hub).await;
    for end in [&near, &far] {
        let (_, read) = end.store.link_of(charts).await.unwrap().unwrap();
        assert_eq!(read.value.state, LinkState::Same);
        assert_eq!(read.value.latest().unwrap().reason, "核对过");
        assert!(end.store.rebuild(Box::new(|_, _| {})).await.unwrap().is_empty());
    }
    equal(&near, &hub, "0017").await;
    equal(&far, &hub, "0018").await;
    // Neither clinic came to hold the other's patient.
    assert!(near.store.chart(charts[1]).await.unwrap().is_none());
    assert!(far.store.chart(charts[0]).await.unwrap().is_none());
    // One that joins the patient later gets the link with the chart; one that leaves keeps it.
    hub.store.join_patient(&code("0018"), charts[0]).await.unwrap();
    sync(&far, &hub).await;
    assert_eq!(far.store.other_charts(charts[1]).await.unwrap()[0].id, charts[0]);
    hub.store.leave_patient(&code("0018"), charts[0]).await.unwrap();
    sync(&far, &hub).await;
    sync(&far, &hub).await;
    assert!(far.store.chart(charts[0]).await.unwrap().is_none());
    equal(&far, &hub, "0018").await;
}

on_both_engines! {
    local_staff_are_adopted_and_the_roster_comes_back,
    a_token_takes_one_box_in_once,
    a_link_goes_to_whoever_holds_one_of_the_charts_and_only_the_county_decides,
}
