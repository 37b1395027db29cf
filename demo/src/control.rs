//! The demo's own page: the cable to the hub, and what a person would do at the devices.

use std::sync::Arc;

use appliance::hub_link::Cable;
use axum::Router;
use axum::extract::{Form, Path, State};
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use maud::{DOCTYPE, Markup, html};
use serde::Deserialize;
use tower_http::csrf::CsrfLayer;

use crate::devices::Devices;

/// What the page acts on.
#[derive(Clone)]
pub struct Control {
    /// The switch in the line to the hub.
    pub cable: Cable,
    /// The simulated devices.
    pub devices: Arc<Devices>,
    /// A resident of the village for the card reader: number and name.
    pub card: (String, String),
    /// Addresses of box, kiosk and hub.
    pub places: Arc<Vec<(&'static str, String)>>,
}

/// The page and its buttons. Only this machine reaches them, and no other site's page presses them.
pub fn router(control: Control) -> Router {
    Router::new()
        .route("/", get(page))
        .route("/cable", post(switch_cable))
        .route("/devices/{word}", post(act))
        .layer(CsrfLayer::new())
        .with_state(control)
}

async fn page(State(control): State<Control>) -> Response {
    Html(draw(&control).into_string()).into_response()
}

#[derive(Deserialize)]
struct CableForm {
    cut: bool,
}

async fn switch_cable(State(control): State<Control>, Form(form): Form<CableForm>) -> Redirect {
    if form.cut {
        control.cable.cut();
    } else {
        control.cable.restore();
    }
    Redirect::to("/")
}

#[derive(Deserialize)]
struct Act {
    command: String,
}

/// Takes the lines that `simulate` obeys, such as `measure 138/86/77`.
async fn act(State(control): State<Control>, Path(word): Path<String>, Form(act): Form<Act>) -> Response {
    let Ok(command) = act.command.parse() else {
        return (StatusCode::UNPROCESSABLE_ENTITY, "没有这个操作 · no such command").into_response();
    };
    if control.devices.send(&word, command) {
        Redirect::to("/").into_response()
    } else {
        (StatusCode::NOT_FOUND, "没有这台设备 · no such device").into_response()
    }
}

fn draw(control: &Control) -> Markup {
    let cut = control.cable.is_cut();
    html! {
        (DOCTYPE)
        html lang="zh-CN" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width";
                title { "演示控制台 · Demo control" }
                style { (maud::PreEscaped(STYLE)) }
            }
            body {
                main {
                    h1 { "演示控制台 · Demo control" }
                    h2 { "去哪里 · Where to go" }
                    ul { @for (name, address) in control.places.iter() { li { (name) ": " a href=(address) { (address) } } } }
                    h2 { "到县里的网线 · Cable to the hub" }
                    p {
                        @if cut { "▲ 网线已拔出。诊室照常工作。 · The cable is out. The clinic goes on." }
                        @else { "● 网线已插好。 · The cable is in." }
                    }
                    form method="post" action="/cable" {
                        input type="hidden" name="cut" value=(!cut);
                        button #cable { @if cut { "插回网线 · Restore" } @else { "拔出网线 · Cut" } }
                    }
                    h2 { "设备 · Devices" }
                    @for plugged in control.devices.iter() {
                        section {
                            h3 { (plugged.bay) }
                            @for (command, label) in commands(plugged.word, &control.card) {
                                form method="post" action={ "/devices/" (plugged.word) } {
                                    input type="hidden" name="command" value=(command);
                                    button { (label) }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn commands(word: &str, card: &(String, String)) -> Vec<(String, String)> {
    let fixed = |pairs: &[(&str, &str)]| {
        pairs
            .iter()
            .map(|(command, label)| ((*command).to_owned(), (*label).to_owned()))
            .collect()
    };
    match word {
        "reader" => vec![
            (
                format!("card {} {}", card.0, card.1),
                format!("放上 {} 的身份证 · Put the card on", card.1),
            ),
            ("lift".to_owned(), "拿开身份证 · Lift the card".to_owned()),
        ],
        "ecg" => fixed(&[
            ("record", "接好电极 · Connect the electrodes"),
            ("unplug", "拔下 · Unplug"),
            ("replug", "插回 · Plug in"),
        ]),
        _ => fixed(&[
            ("measure 128/82/72", "量一次：128/82 · Measure"),
            ("measure 186/112/88", "量一次：186/112 · Measure"),
            ("unplug", "拔下 · Unplug"),
            ("replug", "插回 · Plug in"),
        ]),
    }
}

const STYLE: &str = "body{font:18px/1.6 'Noto Sans CJK SC','Noto Sans SC',sans-serif;margin:0;color:#16242c;background:#f4f7f8}\
main{max-width:52rem;margin:0 auto;padding:1.5rem}h1{font-size:1.6rem}h2{font-size:1.2rem;margin-top:2rem}h3{font-size:1rem;margin:.5rem 0}\
section{background:#fff;border:1px solid #c7d3d8;border-radius:8px;padding:.5rem 1rem 1rem;margin:.75rem 0}\
form{display:inline-block;margin:0 .5rem .5rem 0}button{font:inherit;min-height:48px;padding:0 1rem;border:1px solid #0b5c6b;\
border-radius:8px;background:#fff;color:#0b5c6b}button:focus-visible{outline:3px solid #b35c00;outline-offset:2px}";
