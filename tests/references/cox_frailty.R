# Makes cox_frailty.json: Rscript cox_frailty.R > cox_frailty.json (survival, metafor, jsonlite).
# Data: kidney of survival; veteran of survival (see cox.json) with its cell types as if they were studies.
library(survival)
tight <- coxph.control(eps = 1e-13, toler.chol = 1e-15, iter.max = 100, outer.max = 100)
gamma <- coxph(Surv(time, status) ~ age + sex + frailty(id, eps = 1e-10, sparse = TRUE), kidney, control = tight)
theta <- gamma$history[[1]]$theta
gamma_held <- coxph(Surv(time, status) ~ age + sex + frailty(id, theta = theta, sparse = FALSE), kidney, control = tight)
normal <- coxph(Surv(time, status) ~ age + sex + frailty(id, distribution = "gaussian", theta = 0.5, sparse = FALSE), kidney, control = tight)
one <- function(f) list(beta = unname(coef(f)[c("age", "sex")]), se = unname(sqrt(diag(f$var)[match(c("age", "sex"), names(coef(f)))])),
  effects = unname(coef(f)[-match(c("age", "sex"), names(coef(f)))]))
v <- veteran
common <- coxph(Surv(time, status) ~ trt + strata(celltype), v, control = tight)
own <- lapply(1:4, function(i) coxph(Surv(time, status) ~ trt, v, subset = as.integer(celltype) == i, control = tight))
yi <- sapply(own, coef); vi <- sapply(own, vcov)
two <- metafor::rma(yi, vi, method = "REML", test = "z", control = list(threshold = 1e-12, maxiter = 10000))
held <- coxph(Surv(time, status) ~ trt + ridge(t1, t2, t3, t4, theta = 1 / 0.3, scale = FALSE) + strata(celltype),
  transform(v, t1 = trt * (as.integer(celltype) == 1), t2 = trt * (as.integer(celltype) == 2),
    t3 = trt * (as.integer(celltype) == 3), t4 = trt * (as.integer(celltype) == 4)), control = tight)
stages <- list(common = list(unname(coef(common)), unname(sqrt(vcov(common)[1]))), yi = unname(yi), sei = sqrt(unname(vi)),
  two = list(two$beta[1], two$se, two$tau2), q = two$QE, slope_variance = 0.3,
  slopes = unname(coef(held)), slopes_se = unname(sqrt(held$var[1, 1])))
cat(jsonlite::toJSON(list(stages = stages, software = paste("R", getRversion(), "survival", packageVersion("survival")),
  data = as.list(kidney[, c("id", "time", "status", "age", "sex")]), theta = theta, loglik = gamma$history[[1]]$c.loglik,
  beta = unname(coef(gamma)), gamma = one(gamma_held), normal = one(normal), normal_theta = 0.5), digits = NA, auto_unbox = TRUE), "\n")
