//! The entries of the catalogue. Shortest measurements: a cuff cannot inflate, deflate and judge in less than
//! 20 seconds; an ECG of less than 10 seconds is none.

use std::time::Duration;

use super::{DeviceKey, Handshake, LineRule, Measures, Model, SerialLine, StartedBy, Transport};
use crate::events::Quantity;
use crate::{and_tm2655, contec_8000g, mlx90614, omron_hbp9030};

const fn untouched(baud: u32) -> Transport {
    Transport::Serial(SerialLine {
        baud,
        dtr: LineRule::Untouched,
        rts: LineRule::Untouched,
    })
}

/// The monitor enumerates as CDC-ACM, where the rate does not matter; 9600 is that of its RS-232 variant.
static OMRON_HBP9030: Model = Model {
    key: DeviceKey::OmronHbp9030,
    name: "Omron HBP-9030",
    text_key: "device-blood-pressure",
    measures: Measures::BloodPressure,
    transport: untouched(9_600),
    handshake: Handshake::FirstFrame,
    started_by: StartedBy::Device,
    shortest_measurement: Duration::from_secs(20),
    longest_measurement: Duration::from_secs(150),
    ranges: &[
        (Quantity::Systolic, omron_hbp9030::SYSTOLIC_MMHG),
        (Quantity::Diastolic, omron_hbp9030::DIASTOLIC_MMHG),
        (Quantity::Pulse, omron_hbp9030::PULSE_BPM),
    ],
};

static AND_TM2655: Model = Model {
    key: DeviceKey::AndTm2655,
    name: "A&D TM-2655",
    text_key: "device-blood-pressure",
    measures: Measures::BloodPressure,
    transport: untouched(2_400),
    handshake: Handshake::Question,
    started_by: StartedBy::Both,
    shortest_measurement: Duration::from_secs(20),
    longest_measurement: and_tm2655::GIVE_UP_AFTER,
    ranges: &[
        (Quantity::Systolic, and_tm2655::PRESSURE_MMHG),
        (Quantity::Diastolic, and_tm2655::PRESSURE_MMHG),
        (Quantity::Mean, and_tm2655::PRESSURE_MMHG),
        (Quantity::Pulse, and_tm2655::PULSE_BPM),
    ],
};

static CONTEC_8000G: Model = Model {
    key: DeviceKey::Contec8000g,
    name: "Contec 8000G",
    text_key: "device-ecg",
    measures: Measures::Ecg,
    transport: Transport::Serial(SerialLine {
        baud: contec_8000g::BAUD,
        dtr: LineRule::On,
        rts: LineRule::On,
    }),
    handshake: Handshake::Stream,
    started_by: StartedBy::Program,
    shortest_measurement: Duration::from_secs(10),
    longest_measurement: Duration::from_secs(15 * 60),
    ranges: &[],
};

static IDCARD_SAM: Model = Model {
    key: DeviceKey::IdcardSam,
    name: "SAM",
    text_key: "device-id-card",
    measures: Measures::IdentityCard,
    transport: untouched(115_200),
    handshake: Handshake::Question,
    started_by: StartedBy::Device,
    shortest_measurement: Duration::ZERO,
    longest_measurement: Duration::from_secs(10),
    ranges: &[],
};

static MLX90614_I2C: Model = Model {
    key: DeviceKey::Mlx90614I2c,
    name: "Melexis MLX90614",
    text_key: "device-surface-thermometer",
    measures: Measures::SurfaceTemperature,
    transport: Transport::I2c {
        address: mlx90614::ADDRESS,
    },
    handshake: Handshake::Question,
    started_by: StartedBy::Program,
    shortest_measurement: mlx90614::SHORTEST_MEASUREMENT,
    longest_measurement: mlx90614::GIVE_UP_AFTER,
    ranges: &[(Quantity::CentiCelsius, mlx90614::OBJECT_CENTI_CELSIUS)],
};

pub(super) fn model(key: DeviceKey) -> &'static Model {
    match key {
        DeviceKey::OmronHbp9030 => &OMRON_HBP9030,
        DeviceKey::AndTm2655 => &AND_TM2655,
        DeviceKey::Contec8000g => &CONTEC_8000G,
        DeviceKey::IdcardSam => &IDCARD_SAM,
        DeviceKey::Mlx90614I2c => &MLX90614_I2C,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_round_trip_and_lead_to_their_model() {
        for key in DeviceKey::ALL {
            assert_eq!(key.as_str().parse(), Ok(key));
            assert_eq!(key.model().key, key);
            let serial = matches!(key.model().transport, Transport::Serial(_));
            assert_eq!(key.machine().map(|machine| machine.key()), serial.then_some(key));
        }
        assert!("omron".parse::<DeviceKey>().is_err());
    }

    #[test]
    fn a_cuff_needs_twenty_seconds() {
        for key in DeviceKey::ALL {
            let model = key.model();
            assert!(model.shortest_measurement < model.longest_measurement);
            if model.measures == Measures::BloodPressure {
                assert_eq!(model.shortest_measurement, Duration::from_secs(20));
            }
        }
    }
}
