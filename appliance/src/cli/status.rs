//! `status`: what waits for the hub and why, clock, storage, devices, alarms; also beside a running `serve`.

use std::process::ExitCode;

use serde_json::Value;
use shell::verbs::{Failure, Outcome, chain, say};

use super::FolderArgs;
use crate::status::object;

pub(super) async fn run(args: FolderArgs) -> Outcome {
    let store = super::open::beside(&args.data).await?;
    let object = object(&store, &args.data).await;
    let object =
        object.map_err(|error| Failure::new(format!("the status cannot be read: {}", chain(&error))))?;
    if args.json {
        say(&object.to_string());
    } else {
        tell(&object);
    }
    Ok(ExitCode::SUCCESS)
}

fn tell(object: &Value) {
    let word = |value: &Value| match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    for key in ["hub", "pending", "last_contact", "cause", "next_try"] {
        say(&format!("{key:<14}{}", word(&object[key])));
    }
    for (lane, waiting) in object["queue"].as_object().into_iter().flatten() {
        let oldest = word(&waiting["oldest"]);
        say(&format!(
            "queue {lane:<8}{} items, {} bytes, oldest {oldest}",
            waiting["items"], waiting["bytes"]
        ));
    }
    say(&format!(
        "clock         {} ({})",
        word(&object["clock"]["now"]),
        word(&object["clock"]["source"])
    ));
    let storage = &object["storage"];
    say(&format!(
        "storage       {} bytes free, encrypted: {}",
        word(&storage["free_bytes"]),
        word(&storage["encrypted"])
    ));
    for device in object["devices"].as_array().into_iter().flatten() {
        say(&format!(
            "device        {}: {} ({})",
            word(&device["name"]),
            word(&device["link"]),
            word(&device["device"])
        ));
    }
    for alarm in object["alarms"].as_array().into_iter().flatten() {
        say(&format!(
            "alarm         {}: {}",
            word(&alarm["kind"]),
            word(&alarm["text"])
        ));
    }
}
