# Makes cox_frailty.json: Rscript cox_frailty.R > cox_frailty.json (survival, jsonlite). Data: kidney of survival.
library(survival)
tight <- coxph.control(eps = 1e-13, toler.chol = 1e-15, iter.max = 100, outer.max = 100)
gamma <- coxph(Surv(time, status) ~ age + sex + frailty(id, eps = 1e-10, sparse = TRUE), kidney, control = tight)
theta <- gamma$history[[1]]$theta
held <- coxph(Surv(time, status) ~ age + sex + frailty(id, theta = theta, sparse = FALSE), kidney, control = tight)
normal <- coxph(Surv(time, status) ~ age + sex + frailty(id, distribution = "gaussian", theta = 0.5, sparse = FALSE), kidney, control = tight)
one <- function(f) list(beta = unname(coef(f)[c("age", "sex")]), se = unname(sqrt(diag(f$var)[match(c("age", "sex"), names(coef(f)))])),
  effects = unname(coef(f)[-match(c("age", "sex"), names(coef(f)))]))
cat(jsonlite::toJSON(list(software = paste("R", getRversion(), "survival", packageVersion("survival")),
  data = as.list(kidney[, c("id", "time", "status", "age", "sex")]), theta = theta, loglik = gamma$history[[1]]$c.loglik,
  beta = unname(coef(gamma)), gamma = one(held), normal = one(normal), normal_theta = 0.5), digits = NA, auto_unbox = TRUE), "\n")
