-- wrk: as post.lua, but no two bodies alike: each MARK0000 becomes another number, so that no memory answers.
dofile(os.getenv("BENCH_SCRIPTS") .. "/post.lua")

local number = math.random(0, 8999)
function request()
    number = number + 1
    local mark = string.format("MARK%04d", number % 10000)
    return wrk.format(nil, nil, nil, (wrk.body:gsub("MARK0000", mark .. " " .. tostring(number))))
end
