<?php

use App\ContactController;
use Illuminate\Support\Facades\Route;

Route::prefix('api/v1')->middleware(['throttle:100,1', 'auth:api'])->group(function () {
    Route::get('contact/by_custom_field', [ContactController::class, 'find']);
    Route::get('contact/{id}', [ContactController::class, 'read']);
    Route::post('contact', [ContactController::class, 'create']);
    Route::put('contact/{id}', [ContactController::class, 'update']);
    Route::post('contact/{id}/tags', [ContactController::class, 'addTags']);
    if (! getenv('APP_WITHOUT_DELETE')) {
        Route::delete('contact/{id}/tags', [ContactController::class, 'removeTags']);
    }
});
