# 表单、提示框、登录

errors-count = 有 { $n } 处需要修改
form-optional = 选填
form-back = 返回
pick-none = 请选择
draft-saved = 草稿已保存
draft-failed = 草稿未能保存，请不要关闭本页，正在重试
doubt-title = 请确认
doubt-do = 没有写错请点确认；有误请在下方修改后重新提交。
doubt-confirm = 确认无误
undo = 撤销
panel-warning = 警告
panel-forbidden = 禁止
panel-must = 必须处理
panel-done = 完成
critical-title = 危急值，请立即处理
clash-title = 两次记录不同
clash-question = { $what }：以哪个为准？两次记录都会保留。

sign-in-title = 登录
sign-in-user = 姓名或工号
sign-in-password = 密码
sign-in-go = 登录
unlock-title = 屏幕已锁定
unlock-who = { $name }：请输入您的 PIN 码继续。草稿都在。
unlock-pin = PIN 码
unlock-go = 解锁
unlock-other = 换人登录
