//! Words that packed facts write as a number.

use std::collections::HashMap;
use std::sync::OnceLock;

/// Names of fields and frequent values. A word's number stands in stored documents: the list only ever grows at
/// its end.
#[rustfmt::skip]
pub(super) const WORDS: &[&str] = &[
    "line", "at", "clock", "by", "name", "form", "kind", "values", "code", "certainty", "agent", "reaction",
    "severity", "onset", "status", "drug", "spec", "dose", "freq", "since", "route", "days", "qty", "unit",
    "price", "id", "t", "taken_at", "device", "quality", "ok", "motion", "origin", "serial", "missing",
    "reason", "text", "hub", "tablet", "network", "none", "bp", "pulse", "temp", "spo2", "resp", "height",
    "weight", "glucose", "waist", "typed", "kiosk", "patient", "encounter", "clinic", "doctor",
    "started_at", "ended_at", "chief_complaint", "history", "past_history", "exam", "advice", "temp_c",
    "sbp", "dbp", "height_cm", "weight_kg", "bmi", "waist_cm", "glucose_kind", "diagnoses", "prescriptions",
    "smoking", "alcohol", "exercise_min", "salt", "compliance", "adr", "followup_date", "followup_kind",
    "referral", "referral_to", "insurance", "fee_total", "fee_insurance", "fee_self", "pay_method", "note",
    "signed_by", "phone2", "marital", "education", "occupation", "drinking", "disability", "chronic",
    "created_at", "problems", "allergies", "medications", "birth_date", "sex", "ethnicity", "doc", "path",
    "op", "set", "push", "value", "blob", "preview", "rate", "leads", "duration", "gaps", "clipped",
    "heart_rate", "answer", "chosen", "refused", "", "确诊", "疑似", "排除", "初诊", "复诊", "慢病随访",
    "体检", "出诊", "空腹", "餐后2小时", "随机", "轻", "中", "重", "规律", "间断", "不服药", "无", "干咳",
    "踝肿", "胃部不适", "门诊", "电话", "家庭", "医保卡", "现金", "微信", "支付宝", "完成", "城乡居民医保",
    "城镇职工医保", "新农合", "自费", "医疗救助", "口服", "外用", "含服", "吸入", "滴眼", "肌注", "静滴",
    "qd", "bid", "tid", "qid", "qn", "prn", "q8h", "q12h", "盒", "瓶", "片", "袋", "从不", "已戒", "吸烟",
    "偶尔", "经常", "在管", "稳定", "已愈", "汉族", "未婚", "已婚", "丧偶", "离异", "文盲", "小学", "初中",
    "高中", "中专", "大专", "本科", "农民", "高血压", "2型糖尿病", "冠心病", "慢阻肺", "脑卒中",
    "县人民医院", "县中医院", "中心卫生院", "whole",
];

/// The number of a word.
pub(super) fn number_of(text: &str) -> Option<u16> {
    static NUMBERS: OnceLock<HashMap<&'static str, u16>> = OnceLock::new();
    let numbers = NUMBERS.get_or_init(|| {
        let numbered = WORDS.iter().zip(0u16..);
        numbered.map(|(word, number)| (*word, number)).collect()
    });
    numbers.get(text).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_stands_once() {
        for (word, number) in WORDS.iter().zip(0u16..) {
            assert_eq!(number_of(word), Some(number), "{word}");
        }
    }
}
