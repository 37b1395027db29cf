//! Templates of visit notes. A `{…|…}` slot becomes one of its alternatives; the texts are our own.

use crate::dice::Dice;

/// A drug as a scenario prescribes it.
pub struct Drug {
    /// Generic name.
    pub name: &'static str,
    /// Strength of one unit.
    pub strength: &'static str,
    /// Dose.
    pub dose: &'static str,
    /// Route.
    pub route: &'static str,
    /// Frequency.
    pub frequency: &'static str,
}

const fn oral(
    name: &'static str,
    strength: &'static str,
    dose: &'static str,
    frequency: &'static str,
) -> Drug {
    Drug {
        name,
        strength,
        dose,
        route: "口服",
        frequency,
    }
}

/// A reason to come to the clinic, and how the doctor writes about it.
pub struct Scenario {
    /// Kind of the visit as the record names it.
    pub kind: &'static str,
    /// ICD-10 code (national clinical edition).
    pub code: &'static str,
    /// Name of the diagnosis.
    pub diagnosis: &'static str,
    /// Youngest and oldest age in years.
    pub ages: (i16, i16),
    /// Only for people with hypertension.
    pub needs_hypertension: bool,
    /// Only for people with diabetes.
    pub needs_diabetes: bool,
    /// Whether the temperature is raised.
    pub fever: bool,
    /// How often it comes up against the others.
    pub weight: usize,
    complaint: &'static str,
    history: &'static str,
    past: &'static str,
    examination: &'static str,
    advice: &'static str,
    /// What is prescribed.
    pub drugs: &'static [Drug],
}

/// The texts of one visit.
pub struct Note {
    /// 主诉
    pub complaint: String,
    /// 现病史
    pub history: String,
    /// 既往史
    pub past: String,
    /// 体格检查
    pub examination: String,
    /// 处理意见
    pub advice: String,
}

const ORDINARY: Scenario = Scenario {
    kind: "初诊",
    code: "",
    diagnosis: "",
    ages: (16, 110),
    needs_hypertension: false,
    needs_diabetes: false,
    fever: false,
    weight: 2,
    complaint: "",
    history: "",
    past: "{既往体健，否认药物过敏史。|否认肝炎、结核等传染病史，否认手术外伤史。|既往体质一般，无重大疾病史。}",
    examination: "",
    advice: "",
    drugs: &[],
};

/// What people of the village come for.
pub const SCENARIOS: [Scenario; 12] = [
    Scenario {
        kind: "慢病随访",
        code: "I10.x00",
        diagnosis: "高血压病",
        needs_hypertension: true,
        weight: 14,
        complaint: "{高血压病随访|复查血压并取药|发现血压升高{3|5|8|十余}年，例行随访}",
        history: "近一月规律服用氨氯地平，{无头晕头痛|偶有晨起头晕，片刻缓解|近两日睡眠差，觉头胀}。家中自测血压多在{130～142|128～138|136～150}/{78～88|80～90}mmHg。无胸闷胸痛，无下肢浮肿，{夜尿一次|夜尿二次}，大便正常。{饮食仍偏咸|已减盐，每日走路半小时|农忙后活动多，未漏药}。",
        past: "高血压病史{3|5|8|12}年。{否认糖尿病、冠心病史。|父亲有脑梗死史。}",
        examination: "神志清楚，{步入诊室|自行来诊}。双肺呼吸音清，心率{72|76|80}次/分，律齐，各瓣膜区未闻及杂音。腹软，无压痛。双下肢无水肿。",
        advice: "继续原方案，{不漏服药物|每日晨起固定时间服药}；每日食盐不超过5克；每周自测血压两次并记录；{一个月后随访|两周后复测血压}。如有剧烈头痛、言语不清或肢体无力立即来诊。",
        drugs: &[oral("苯磺酸氨氯地平片", "5mg", "5mg", "qd")],
        ..ORDINARY
    },
    Scenario {
        kind: "慢病随访",
        code: "E11.900",
        diagnosis: "2型糖尿病",
        needs_diabetes: true,
        weight: 12,
        complaint: "{2型糖尿病随访|口干、多饮加重{一|两}周|复查血糖}",
        history: "规律服用二甲双胍，{近一月空腹血糖6.8～7.9mmol/L|近期空腹血糖波动在7.2～9.1mmol/L|未监测血糖}。{主食未严格控制|喜食面食，水果较多|饮食已按医嘱减量}，{活动量可|因膝痛活动少}。无心慌出汗等低血糖表现，{足部无麻木|双足偶有麻木，无破溃}，视物{清楚|略模糊}。",
        past: "2型糖尿病史{4|6|9}年。{否认高血压病史。|合并高血压病，口服降压药。}",
        examination: "精神可，{体型偏胖|体型中等}。心肺听诊未见异常。腹软。双足皮肤完整，无破溃，足背动脉搏动{可|稍弱}。",
        advice: "每餐主食控制在一拳大小，餐后散步20分钟；每周测空腹血糖一次；每日检查双脚，修甲勿剪破皮肤；{三个月后复查糖化血红蛋白|建议到县医院查眼底}。出现心慌手抖先吃糖果再来诊。",
        drugs: &[oral("二甲双胍片", "0.5g", "0.5g", "bid")],
        ..ORDINARY
    },
    Scenario {
        code: "J06.900",
        diagnosis: "急性上呼吸道感染",
        fever: true,
        weight: 5,
        complaint: "{发热、咽痛{1|2|3}天|鼻塞流涕伴低热{1|2}天|咳嗽、发热{2|3}天}",
        history: "{淋雨|下地干活出汗受凉|家中孙子感冒}后出现{鼻塞、流清涕|咽部疼痛，吞咽时明显}，{昨夜|今晨}发热，自测最高{38.2|38.6|37.9}℃，伴{全身酸痛、乏力|轻咳，少量白痰}。无气促胸痛，无皮疹，无呕吐腹泻。{自服感冒颗粒，效果不显。|未用药。}",
        examination: "咽部充血，双侧扁桃体{无肿大|Ⅰ度肿大，未见脓点}。颈软，双肺呼吸音清，未闻及干湿啰音。心律齐。",
        advice: "多饮温水，{卧床休息两天|避免再次受凉}；体温超过38.5℃服用对乙酰氨基酚，两次间隔不少于6小时；三天不退热或气促、精神差及时复诊。",
        drugs: &[
            oral("对乙酰氨基酚片", "0.5g", "0.5g", "prn"),
            oral("复方甘草片", "复方", "3片", "tid"),
        ],
        ..ORDINARY
    },
    Scenario {
        code: "J06.900",
        diagnosis: "急性上呼吸道感染",
        ages: (0, 15),
        fever: true,
        weight: 8,
        complaint: "发热{半天|1天|2天}，家属代诉",
        history: "{奶奶|母亲}代诉：患儿{昨日放学后|今晨起}发热，体温{38.4|38.9|38.1}℃，伴流涕、偶咳，{精神尚可，能玩耍|略显疲倦}，进食{稍减|如常}，大小便正常。无抽搐，无皮疹，无呕吐。{班上有同学感冒。|家中无类似病人。}",
        past: "按时接种疫苗，{无热性惊厥史|否认药物食物过敏}。",
        examination: "反应好，咽红，扁桃体{不大|Ⅰ度}，双肺呼吸音清，无三凹征。腹软，全身未见皮疹，颈软。",
        advice: "多喝水，物理降温，体温超过38.5℃按体重服退热药；观察精神、呼吸和尿量；{出现抽搐|精神萎靡}、呼吸快或不肯喝水立即就诊。",
        drugs: &[oral("对乙酰氨基酚混悬液", "32mg/ml", "按体重", "prn")],
        ..ORDINARY
    },
    Scenario {
        code: "K52.900",
        diagnosis: "急性胃肠炎",
        weight: 3,
        complaint: "腹痛、腹泻{半天|1天|2天}",
        history: "{吃剩菜|喝凉水|赴宴}后{4|6|8}小时出现脐周阵痛，随后腹泻{4|5|7}次，为{黄色稀水便|糊状便}，无脓血，伴{恶心，呕吐一次|轻度恶心}。无发热，尿量{稍减|如常}。{自服黄连素两片。|未用药。}",
        examination: "神清，皮肤弹性{可|稍差}，口唇{不干|略干}。腹软，脐周轻压痛，无反跳痛，肠鸣音活跃。",
        advice: "口服补液盐，少量多次；清淡半流食一两天，忌油腻生冷；{便血|尿少|持续呕吐}或腹痛加重随时来诊。",
        drugs: &[
            oral("蒙脱石散", "3g", "3g", "tid"),
            oral("口服补液盐Ⅲ", "5.125g", "1袋", "prn"),
        ],
        ..ORDINARY
    },
    Scenario {
        code: "M54.500",
        diagnosis: "腰痛",
        ages: (30, 90),
        weight: 4,
        complaint: "腰痛{3天|一周|半月}，{弯腰时加重|久坐后明显}",
        history: "{搬运化肥|收玉米|久坐打牌}后出现腰部{酸痛|胀痛}，{平卧减轻|翻身困难}，{无下肢放射痛|偶向右臀部放射}，无下肢麻木无力，大小便正常。{自贴膏药，稍缓解。|热敷后减轻。}",
        examination: "腰椎生理曲度可，L4～5棘突旁压痛，直腿抬高试验{阴性|右侧70°可疑}，双下肢肌力感觉正常。",
        advice: "卧硬板床休息三天，避免弯腰负重；局部热敷每日两次；{两周无好转建议拍腰椎片|下肢麻木加重及时转诊}。",
        drugs: &[oral("双氯芬酸钠缓释片", "75mg", "75mg", "qd")],
        ..ORDINARY
    },
    Scenario {
        code: "M17.900",
        diagnosis: "膝骨关节炎",
        ages: (50, 95),
        weight: 4,
        complaint: "{双|右|左}膝疼痛{半年|两年}，加重{一周|十天}",
        history: "上下楼梯及蹲起时膝部疼痛，{晨起僵硬约十分钟|天冷加重}，休息后缓解。无红肿发热，无外伤史。{近日赶集走路多后加重。|近期带孙子上下楼多。}",
        examination: "膝关节无红肿，{可触及摩擦感|内侧关节间隙压痛}，浮髌试验阴性，屈伸活动{略受限|可}。",
        advice: "减少爬坡下蹲，注意保暖，练习直腿抬高；疼痛明显时短期服药，饭后服用；{控制体重|可用手杖}。",
        drugs: &[oral("氨基葡萄糖胶囊", "0.25g", "0.5g", "tid")],
        ..ORDINARY
    },
    Scenario {
        code: "L30.900",
        diagnosis: "湿疹",
        ages: (3, 95),
        weight: 2,
        complaint: "{双小腿|双手|颈部}皮肤瘙痒、红疹{5天|两周}",
        history: "{喷洒农药后|无明显诱因|换洗衣粉后}出现散在红色丘疹，瘙痒明显，夜间为著，抓后有{少量渗出|脱屑}。无发热。{既往春季有类似发作。|未用药。}",
        examination: "局部见对称分布红色丘疹、{抓痕|轻度渗出}，边界不清，无脓疱。",
        advice: "避免搔抓和热水烫洗，停用可疑洗涤用品；外用药膏薄涂每日两次，不超过两周。",
        drugs: &[
            Drug {
                name: "炉甘石洗剂",
                strength: "100ml",
                dose: "适量",
                route: "外用",
                frequency: "tid",
            },
            oral("氯雷他定片", "10mg", "10mg", "qn"),
        ],
        ..ORDINARY
    },
    Scenario {
        code: "T14.100",
        diagnosis: "皮肤裂伤",
        ages: (6, 90),
        weight: 2,
        complaint: "{左手食指|右小腿|左前臂}被{镰刀|玻璃|铁皮}划伤{半|一|两}小时",
        history: "劳作时不慎划伤，出血，自行压迫止血后来诊。伤口疼痛，{活动无受限|指端感觉正常}。{五年内接种过破伤风疫苗|破伤风接种史不详}。",
        examination: "见一长约{1.5|2|3}cm裂口，深达皮下，边缘{整齐|略不齐}，无活动性出血，末梢血运、感觉、活动正常。",
        advice: "清创，{缝合两针|免缝胶带对合}，无菌包扎；保持干燥，隔日换药，{7|10}天拆线；红肿流脓及时来诊；按程序处理破伤风预防。",
        drugs: &[],
        ..ORDINARY
    },
    Scenario {
        code: "J44.900",
        diagnosis: "慢性阻塞性肺疾病",
        ages: (58, 95),
        weight: 2,
        complaint: "反复咳嗽、咳痰{10|15}余年，气短加重{3天|一周}",
        history: "每逢{入冬|变天}咳嗽咳白黏痰，近日{受凉后|劳累后}痰量增多，{色变黄|仍为白色}，上坡气短，平路尚可。夜间能平卧，无咯血，无下肢浮肿。{吸烟三十余年，现每日半包。|已戒烟五年。}",
        past: "慢支病史{10|15}年。否认结核病史。",
        examination: "桶状胸，双肺呼吸音减低，{可闻及散在哮鸣音|右下肺少许湿啰音}，心率{84|92}次/分，律齐，口唇无发绀，双下肢无水肿。",
        advice: "戒烟，注意保暖；规律使用吸入药并当面示范；痰多拍背排痰；{建议县医院查肺功能|静息气促、口唇发紫立即呼救}。",
        drugs: &[
            Drug {
                name: "沙丁胺醇气雾剂",
                strength: "100μg",
                dose: "200μg",
                route: "吸入",
                frequency: "prn",
            },
            oral("氨溴索片", "30mg", "30mg", "tid"),
        ],
        ..ORDINARY
    },
    Scenario {
        kind: "复诊",
        code: "R42.x00",
        diagnosis: "眩晕",
        ages: (35, 90),
        weight: 2,
        complaint: "{头晕|视物旋转}{半天|2天}",
        history: "{起床翻身时|转头时}突感{天旋地转|头晕站立不稳}，持续不到一分钟，{伴恶心未吐|无恶心呕吐}。无耳鸣耳聋，无言语不清，无肢体麻木无力，无意识丧失。{近日睡眠差。|近期农忙劳累。}",
        examination: "神清语利，双瞳孔等大等圆，无面瘫，四肢肌力正常，指鼻试验稳准，颈软。",
        advice: "动作放慢，避免突然转头，防跌倒；{可试耳石复位|症状频发转县医院耳鼻喉科}；出现说话含糊、一侧无力立即拨打急救电话。",
        drugs: &[],
        ..ORDINARY
    },
    Scenario {
        kind: "体检",
        code: "Z00.000",
        diagnosis: "健康查体",
        ages: (65, 110),
        weight: 3,
        complaint: "老年人年度健康体检",
        history: "按通知参加年度体检。自觉{身体尚可|睡眠较浅|膝部偶痛}，饮食二便如常。日常生活{能自理|大部分自理}，{每日散步|在家做轻活}。",
        examination: "{步态平稳|步态稍缓}，听力{正常|略下降}，口唇无发绀，心肺听诊{未见异常|可闻及早搏}，腹软，肝脾未及，双下肢{无水肿|轻度静脉曲张}。",
        advice: "清淡饮食，适量活动，防跌倒；{按时接种流感疫苗|家中洗澡间加装扶手}；结果已当面告知，一年后复查。",
        drugs: &[],
        ..ORDINARY
    },
];

/// Composes the texts of one visit.
pub fn compose(scenario: &Scenario, dice: &mut Dice) -> Note {
    let mut fill = |template| fill(template, dice);
    Note {
        complaint: fill(scenario.complaint),
        history: fill(scenario.history),
        past: fill(scenario.past),
        examination: fill(scenario.examination),
        advice: fill(scenario.advice),
    }
}

/// Replaces each slot by one of its alternatives, inner slots first.
fn fill(template: &str, dice: &mut Dice) -> String {
    let mut text = template.to_owned();
    while let Some(close) = text.find('}') {
        let Some(open) = text[..close].rfind('{') else {
            break;
        };
        let alternatives: Vec<&str> = text[open + 1..close].split('|').collect();
        let chosen = (*dice.pick(&alternatives)).to_owned();
        text.replace_range(open..=close, &chosen);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_filled_from_the_inside() {
        let mut dice = Dice::new(3);
        for _ in 0..50 {
            let text = fill("a{b{1|2}|c}d", &mut dice);
            assert!(["ab1d", "ab2d", "acd"].contains(&text.as_str()), "{text}");
        }
    }

    #[test]
    fn every_age_has_something_to_come_for() {
        for age in 0..=110 {
            let common = |scenario: &&Scenario| !scenario.needs_diabetes && !scenario.needs_hypertension;
            assert!(
                SCENARIOS
                    .iter()
                    .filter(common)
                    .any(|s| (s.ages.0..=s.ages.1).contains(&age)),
                "{age}"
            );
        }
    }
}
