-- What HAProxy cannot do by itself.

-- Hold a request back for txn.number milliseconds.
core.register_action("pause", { "http-req" }, function(txn)
    core.msleep(txn:get_var("txn.number"))
end)

-- Decide whether the operation that this request is an attempt of fails: exactly txn.number percent of those of each
-- txn.op do, evenly spread, so that what is measured does not depend on luck. All attempts of one share its fate; they
-- are known by txn.operation, which AWS clients send as amz-sdk-invocation-id. Sets txn.fails.
local REMEMBERED_SECONDS = 120
local owed, begun = {}, 0
local fates, earlier = {}, {}

local function next_one_fails(op, percent)
    owed[op] = (owed[op] or 0) + percent
    if owed[op] < 100 then
        return false
    end
    owed[op] = owed[op] - 100
    return true
end

core.register_action("draw", { "http-req" }, function(txn)
    local now, operation = core.now().sec, txn:get_var("txn.operation")
    if now - begun > REMEMBERED_SECONDS then
        begun, earlier, fates = now, fates, {}
    end
    local fails = operation and fates[operation]
    if operation and fails == nil then
        fails = earlier[operation]
    end
    if fails == nil then
        fails = next_one_fails(txn:get_var("txn.op"), txn:get_var("txn.number"))
    end
    if operation then
        fates[operation] = fails
    end
    if fails then
        txn:set_var("txn.fails", 1)
    end
end)
