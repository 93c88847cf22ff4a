-- Hold a request back for txn.number milliseconds.
core.register_action("pause", { "http-req" }, function(txn)
    core.msleep(txn:get_var("txn.number"))
end)
