//! A box that its county's hub opens, and one that the county revoked: the real programs of both, the real opener over a card
//! in a file, whose mount is a note.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use appliance::opener::client::Door;
use appliance::opener::protocol::{Answer, Request, Standing};
use harness::browser::{Browser, Screen};
use harness::county_hub::CountyHub;
use harness::desk::Desk;
use harness::programs::{run, wait_until};

use crate::locked_start::{Site, person_card};

const PIN: &str = "红旗渠1969";

fn door(site: &Site) -> Door {
    Door::at(site.at("run").join("opener.sock"))
}

fn standing(site: &Site) -> Standing {
    match door(site).ask_now(&Request::State).unwrap() {
        Answer::State { standing } => standing,
        _ => panic!("no state"),
    }
}

fn is_set(flag: &Arc<AtomicBool>) -> Option<()> {
    flag.load(Ordering::SeqCst).then_some(())
}

/// A box of the county that was set up, is open, and was seen to have given its hub the share.
fn shared(hub: &CountyHub, made: fn(&Path) -> card::luks::VolumeKey) -> Site {
    let mut site = Site::new(made);
    let token = hub.invite("0017", "石门村卫生室");
    let (data, address) = (
        site.at("box").display().to_string(),
        format!("https://{}", hub.link()),
    );
    let words = ["enroll", "--data", &data, "--hub", &address, "--token-file", "-"];
    let said = run("appliance", &words, token.as_bytes());
    assert_eq!(said.code, 0, "{} {}", said.out, said.err);
    let mounted = site.opener(true);
    let set = Request::SetPin {
        old: String::new().into(),
        new: PIN.to_owned().into(),
    };
    assert!(door(&site).ask_now(&set).unwrap() == Answer::Done);
    let open = site.program("serve", "box");
    wait_until("the hub keeps what the box gave", || {
        let hub = door(&site).ask_now(&Request::Hub).unwrap();
        let is_left = matches!(hub, Answer::Hub { hub: Some(_) });
        let found = standing(&site);
        (is_left && found.has_share == found.by_hub).then_some(())
    });
    assert!(mounted.load(Ordering::SeqCst));
    open.stop();
    site
}

#[tokio::test]
async fn a_box_opens_by_itself_once_its_hub_answers_and_not_while_it_does_not() {
    let folder = tempfile::tempdir().unwrap();
    let mut hub = CountyHub::start(&folder.path().join("county"));
    let mut site = shared(&hub, person_card::by_hub);

    // A power cut in the night, and no hub.
    hub.stop();
    let mounted = site.opener(false);
    let mut locked = site.program("locked", "memory");
    let tablet = Browser::start(Screen::Tablet).await;
    tablet.open(&locked.url("pages")).await;
    tablet.wait_text("正在向县中心请求开启").await;
    tablet.wait_text("没有连上县中心").await;
    // The PIN is asked for meanwhile.
    tablet.find("[name=pin]").await;
    tablet.screenshot("hub-opens-asking").await;
    assert!(!mounted.load(Ordering::SeqCst));

    // Nobody touches anything: the hub is back, and the page goes on by itself.
    hub.start_again();
    wait_until("the hub opened the box", || is_set(&mounted));
    tablet.wait_text("数据已打开").await;
    tablet.screenshot("hub-opens-opened").await;
    locked.stop();

    let admin = hub.add_staff("hub_admin", "赵管理");
    let browser = Browser::start_trusting(Screen::Desk, &hub.authority(), &[]).await;
    let desk = Desk::new(&browser, hub.desk());
    desk.begin(&admin).await;
    desk.open("/clinics/0017").await;
    browser.wait_text("已开启数据 1 次").await;
    browser.screenshot("hub-opens-desk").await;

    // The county revokes it, and the open box hears that: it closes, and stays closed.
    browser.click("details.ending summary").await;
    browser.submit("details.ending form .button-danger").await;
    browser.wait_text("已吊销").await;
    let boxes = hub.verb(&["box", "list"], &["--clinic", "0017", "--json"]).json();
    assert_eq!(boxes["boxes"].as_array().map(Vec::len), Some(1), "{boxes}");
    assert!(boxes["boxes"][0]["revoked"].is_string(), "{boxes}");
    let open = site.program("serve", "box");
    wait_until("the box closed itself", || {
        (!mounted.load(Ordering::SeqCst)).then_some(())
    });
    open.stop();
    assert!(standing(&site).is_revoked);
    let mounted = site.opener(false);
    let mut locked = site.program("locked", "memory");
    tablet.open(&locked.url("pages")).await;
    tablet.wait_text("已被县中心停用").await;
    tablet.screenshot("hub-opens-revoked").await;
    let open = Request::Open {
        pin: PIN.to_owned().into(),
    };
    assert!(matches!(
        door(&site).ask_now(&open).unwrap(),
        Answer::WrongPin { .. }
    ));
    assert!(!mounted.load(Ordering::SeqCst));
    locked.stop();
}
