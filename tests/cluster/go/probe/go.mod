module certstorage.test/probe

go 1.25.0
