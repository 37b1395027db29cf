# 表单

errors-count = 有 { $n } 处需要修改
